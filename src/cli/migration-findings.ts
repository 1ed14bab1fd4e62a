import type { Finding } from './command.js';

/** What a pass of a migration found. A finding that is added twice counts once. */
export class MigrationFindings {
  private readonly found = new Map<string, Finding>();

  get all(): Finding[] {
    return [...this.found.values()];
  }

  add(finding: Finding): void {
    this.found.set(`${finding.code} ${finding.where}`, finding);
  }

  unknownObject(where: string): void {
    const message = 'No object of Visage has such a key; it was not copied.';
    this.add({ code: 'unknown_object', where, message });
  }

  missingMaster(where: string): void {
    const message = 'The manifest of the source names it, but it is missing.';
    this.add({ code: 'missing_master', where, message });
  }

  wrongChecksum(where: string): void {
    const message = 'The destination gives other bytes than those that were written.';
    this.add({ code: 'wrong_checksum', where, message });
  }
}
