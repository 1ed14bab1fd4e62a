import { applyDecorators } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBearerAuth,
  ApiBody,
  ApiCreatedResponse,
  ApiExtraModels,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiQuery,
  ApiResponse,
  getSchemaPath,
} from '@nestjs/swagger';
import { RENDITION_FORMATS } from '../model/formats.js';
import { AliasesAnswer, AliasesBody } from './aliases.dto.js';
import { HistoryAnswer, ReceiptAnswer, RestoreBody, VersionAnswer } from './avatars.dto.js';
import { LookupBody, LookupEntry } from './lookup.dto.js';
import { DescribeRefusals, headersOf } from './problems.openapi.js';

const stored = { type: VersionAnswer, headers: headersOf('ETag', 'Location') };

const binary = { schema: { type: 'string', format: 'binary' } } as const;
const form = {
  schema: {
    type: 'object' as const,
    required: ['file'],
    properties: {
      file: { type: 'string', format: 'binary' },
      crop: {
        type: 'string',
        example: '0,0,400,400',
        description: 'x,y,width,height in px of the upright picture',
      },
      alt: { type: 'string', maxLength: 250 },
    },
  },
};
const PENDING =
  'The bucket is away: this replica does it as soon as it is back, and shows it as done already';

export function DescribeUpload(summary: string) {
  return applyDecorators(
    DescribePrecondition(),
    ApiHeader({ name: 'If-None-Match', required: false, description: '*: only if there is no picture' }),
    ApiOperation({
      summary,
      requestBody: { required: true, content: { 'multipart/form-data': form, 'image/*': binary } },
    }),
    ApiCreatedResponse({ ...stored, description: 'A new version, which is current' }),
    ApiOkResponse({ ...stored, description: 'The current version was made of the same upload already' }),
    ApiAcceptedResponse({ ...stored, description: PENDING }),
    DescribeRefusals(408, 413, 415, 422),
  );
}

export function DescribeHistory() {
  return applyDecorators(
    ApiBearerAuth(),
    ApiOperation({ summary: 'The history: every version that is kept, and which one is current' }),
    ApiOkResponse({ type: HistoryAnswer, headers: headersOf('Cache-Control') }),
    DescribeRefusals(401),
  );
}

export function DescribeRestore() {
  return applyDecorators(
    DescribePrecondition(),
    ApiOperation({ summary: 'Make a version of the history current' }),
    ApiBody({ type: RestoreBody }),
    ApiOkResponse({ type: VersionAnswer }),
    ApiAcceptedResponse({ type: VersionAnswer, description: PENDING }),
    DescribeRefusals(404, 408, 413),
  );
}

export function DescribeDelete() {
  return applyDecorators(
    DescribePrecondition(),
    ApiOperation({
      summary: 'No current picture any more, or with erase=true no picture at all, for good',
      description: 'What is absent already counts as deleted. Without erase=true the history stays.',
    }),
    ApiQuery({ name: 'erase', required: false, schema: { type: 'boolean', default: false } }),
    ApiQuery({
      name: 'before',
      required: false,
      schema: { type: 'string', format: 'date-time' },
      description:
        'Only with erase=true, to repeat an erasure: erases what was uploaded or registered up to then, the `erasedAt` of its receipt.',
    }),
    ApiNoContentResponse({ description: 'Deleted' }),
    ApiOkResponse({ type: ReceiptAnswer, description: 'Erased' }),
    ApiAcceptedResponse({ type: ReceiptAnswer, description: PENDING }),
  );
}

export function DescribeAliases() {
  return applyDecorators(
    ApiBearerAuth(),
    ApiOperation({ summary: 'The hashes of e-mail addresses that stand for the avatar' }),
    ApiOkResponse({ type: AliasesAnswer, headers: headersOf('Cache-Control') }),
    DescribeRefusals(401),
  );
}

export function DescribeAliasesChange() {
  return applyDecorators(
    ApiBearerAuth(),
    ApiOperation({
      summary: 'Replace the hashes of e-mail addresses that stand for the avatar; empty lists remove all',
      description: 'One that stands for another avatar stands for this one from now on.',
    }),
    ApiBody({ type: AliasesBody }),
    ApiOkResponse({ type: AliasesAnswer, headers: headersOf('Cache-Control') }),
    DescribeRefusals(401, 408, 413, 507),
  );
}

const entries = {
  type: 'object' as const,
  additionalProperties: { $ref: getSchemaPath(LookupEntry) },
};

export function DescribeLookup() {
  const headers = headersOf('Cache-Control', 'ETag');
  return applyDecorators(
    ApiBearerAuth(),
    ApiExtraModels(LookupEntry),
    ApiOperation({
      summary: 'Up to 1000 avatars at once, by their ids and by hashes of e-mail addresses',
      description: 'PUT, and not POST, is how an avatar of the id "lookup" gets its picture.',
    }),
    ApiHeader({ name: 'If-None-Match', required: false, description: 'The ETag of the same lookup before' }),
    ApiBody({ type: LookupBody }),
    ApiOkResponse({
      schema: {
        type: 'object',
        required: ['avatars', 'hashes'],
        properties: {
          avatars: { ...entries, description: 'By id.' },
          hashes: { ...entries, description: 'By hash in lower case.' },
        },
      },
      headers,
      description: 'What there is of each',
    }),
    ApiResponse({
      status: 304,
      headers,
      description: 'Nothing changed since the lookup that If-None-Match names',
    }),
    DescribeRefusals(401, 408, 413),
  );
}

export function DescribePicture(summary: string) {
  const headers = headersOf('Cache-Control', 'ETag');
  const content = Object.fromEntries(RENDITION_FORMATS.map((format) => [`image/${format}`, binary]));
  return applyDecorators(
    ApiOperation({ summary }),
    ApiOkResponse({ content, headers, description: 'The picture' }),
    ApiResponse({ status: 206, content, headers, description: 'The part that a Range asks for' }),
    ApiResponse({ status: 304, headers, description: 'The client has it already' }),
    DescribeRefusals(404, 416),
  );
}

export function DescribeMissing() {
  return DescribeRefusals(404);
}

function DescribePrecondition() {
  return applyDecorators(
    ApiBearerAuth(),
    ApiHeader({
      name: 'If-Match',
      required: false,
      description: 'The version that has to be current, in quotes, or * for any',
    }),
    DescribeRefusals(401, 412, 507),
  );
}
