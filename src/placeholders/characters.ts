import { readFileSync } from 'node:fs';
import { Avatar, Style, type StyleDefinition } from '@dicebear/core';
import type { Character } from '../model/placeholder-kinds.js';
import type { Colors } from './colors.js';

/** For each of Gravatar's kinds, a similar style of DiceBear. All are in the public domain (CC0 1.0). */
const STYLES: Record<Character, string> = {
  identicon: 'identicon',
  monsterid: 'critters',
  retro: 'pixel-art',
  robohash: 'voxel-bot',
  wavatar: 'moods',
};

/** Draws characters and patterns. */
export class Characters {
  private readonly styles = new Map<Character, Style>();

  /**
   * Draws a character or a pattern.
   * @param foreground the color of the pattern; characters have their own
   * @returns SVG without text, the same for the same seed
   */
  draw(
    kind: Character,
    seed: string,
    { background, foreground }: Pick<Colors, 'background'> & Partial<Colors>,
  ): string {
    const colors = { backgroundColor: [background], ...(foreground && { rowColor: [foreground] }) };
    return new Avatar(this.styleOf(kind), { seed, ...colors }).toString();
  }

  private styleOf(kind: Character): Style {
    const known = this.styles.get(kind);
    if (known) return known;
    const path = new URL(`assets/styles/${STYLES[kind]}.json`, import.meta.url);
    const style = new Style(JSON.parse(readFileSync(path, 'utf8')) as StyleDefinition);
    this.styles.set(kind, style);
    return style;
  }
}
