import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import type { OutboxReport } from '../outbox/outbox.js';
import type { StorageReport } from '../storage/health/storage-report.js';

/** A property that is there if it is true. */
const Flag = (description: string) => ApiPropertyOptional({ type: 'boolean', description });

const COUNT = { type: 'integer' as const, minimum: 0 };

export class LiveAnswer {
  @ApiProperty({ type: 'string', enum: ['live'] })
  status!: 'live';
}

class StorageAnswer implements StorageReport {
  @ApiProperty({ type: 'string', enum: ['local', 's3'] })
  backend!: string;

  @ApiProperty()
  reachable!: boolean;

  @Flag('The storage answers, but not to us: wrong keys, no such bucket, no permission.')
  refused?: true;

  @ApiProperty({
    type: 'string',
    enum: ['honoured', 'unreliable', 'emulated', 'unknown'],
    description:
      'unreliable: they hold one after the other, but not in races. emulated: the storage ignores them. With both, run one replica ' +
      'only. unknown: the storage has not been reached and tried yet.',
  })
  conditionalWrites!: StorageReport['conditionalWrites'];

  @Flag(
    'Reads beside writes gave bytes of one write with the etag of another. Visage notices and reads again, which takes longer.',
  )
  mixedReads?: true;

  @Flag('Uploads are refused for lack of room. Everything else works.')
  full?: true;

  @ApiPropertyOptional({
    type: 'integer',
    description:
      "How far the clock of the storage is ahead of this machine's in ms, if that is five minutes or more.",
  })
  clockOffsetMs?: number;

  @Flag(
    'The storage has not answered in time, and so counts as not reachable. The rest is what it last said.',
  )
  overdue?: true;
}

class OutboxAnswer implements OutboxReport {
  @ApiProperty({ ...COUNT, description: 'Changes that wait for the bucket.' })
  entries!: number;

  @ApiProperty(COUNT)
  bytes!: number;

  @ApiProperty({ ...COUNT, description: 'The age of the oldest entry in ms. 0: there is none.' })
  oldestAgeMs!: number;

  @ApiProperty({ ...COUNT, description: 'Entries that can never be carried out and wait for an operator.' })
  setAside!: number;
}

export class ReadinessAnswer {
  @ApiProperty({
    type: 'string',
    enum: ['ready', 'degraded', 'unavailable', 'stopping'],
    description:
      'degraded: the bucket is away, as it is for all replicas, so changes wait in the outbox or fail; or the storage is full and takes no ' +
      'uploads.',
  })
  status!: 'ready' | 'degraded' | 'unavailable' | 'stopping';

  @ApiProperty()
  storage!: StorageAnswer;

  @ApiPropertyOptional()
  outbox?: OutboxAnswer;
}
