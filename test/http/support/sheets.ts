import sharp from 'sharp';
import { expectStatus, jsonOf } from '../../support/avatar-client.js';
import { type Answer, send } from './client.js';

export interface TileJson {
  id: string;
  x: number;
  y: number;
  version: string | null;
  default: boolean | null;
  alt: string | null;
  color: string | null;
  thumbhash: string | null;
  animated: boolean;
}

export interface MapJson {
  size: number;
  columns: number;
  rows: number;
  width: number;
  height: number;
  url?: string;
  tiles: TileJson[];
}

/** Asks for a sheet. @param more of the query, as `&size=32` */
export function getSheet(
  url: string,
  ids: readonly string[],
  more = '',
  headers: Record<string, string> = {},
): Promise<Answer> {
  const path = `/v1/sheets?ids=${ids.map(encodeURIComponent).join()}${more}`;
  return send(url, { path, headers });
}

export function postSheet(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  return send(url, { method: 'POST', path: '/v1/sheets', body: JSON.stringify(body), headers });
}

/** The map of a sheet, which has to succeed. */
export async function mapOf(url: string, ids: readonly string[], more = ''): Promise<MapJson> {
  return jsonOf(expectStatus(200, await getSheet(url, ids, `${more}&format=json`))) as MapJson;
}

/** The colour in the middle of each tile, as RGBA, by id. */
export async function colorsOf(sheet: Buffer, map: MapJson): Promise<Map<string, number[]>> {
  const { data, info } = await sharp(sheet).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  if (info.width !== map.width || info.height !== map.height) throw new Error('the map is of another sheet');
  return new Map(
    map.tiles.map(({ id, x, y }) => {
      const at = 4 * ((y + map.size / 2) * map.width + x + map.size / 2);
      return [id, [...data.subarray(at, at + 4)]];
    }),
  );
}
