import type { Environment } from '../../support/service.js';
import { type Finding, reportOf } from './program.js';

interface Verdict {
  check: string;
  result: 'ok' | 'warning' | 'failure' | 'skipped';
  message: string;
  advice?: string;
  measured?: unknown;
}

export interface Report {
  code: number | null;
  findings: Finding[];
  checks: Verdict[];
  /** Where the objects are. */
  storage?: string;
}

/** Runs `visage doctor`. @param seconds how long writers race */
export function doctor(environment: Environment, seconds = 0.2): Promise<Report> {
  return reportOf<{ checks: Verdict[] }>(environment, 'doctor', '--seconds', String(seconds));
}

export function checksOf({ checks }: Report, name: string): Verdict[] {
  return checks.filter(({ check }) => check === name);
}

/** The results of each check, by its name. */
export function resultsOf({ checks }: Report): Record<string, Verdict['result'][]> {
  const results: Record<string, Verdict['result'][]> = {};
  for (const { check, result } of checks) (results[check] ??= []).push(result);
  return results;
}
