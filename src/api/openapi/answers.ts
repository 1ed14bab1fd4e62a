import { applyDecorators } from '@nestjs/common';
import { ApiResponse } from '@nestjs/swagger';
import type { headersOf } from './headers.js';
import { DescribeHeaders } from './parameters.js';

/** What 202 says of every change. */
export const PENDING = 'The bucket is away: the change is made as soon as it is back.';

/** What 304 says of answers that a body asked for. */
export const NOTHING_CHANGED = 'Nothing has changed since the answer that If-None-Match names.';

/** The header that lets a client keep a copy, and the answer if that copy is still the same. */
export const DescribeNotModified = (copy: string, same: string, headers: ReturnType<typeof headersOf>) =>
  applyDecorators(
    DescribeHeaders({ 'If-None-Match': copy }),
    ApiResponse({ status: 304, headers, description: same }),
  );
