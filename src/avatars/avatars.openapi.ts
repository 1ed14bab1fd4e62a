import { applyDecorators } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBearerAuth,
  ApiBody,
  ApiCreatedResponse,
  ApiDefaultResponse,
  ApiExtraModels,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiQuery,
  ApiResponse,
  getSchemaPath,
} from '@nestjs/swagger';
import { RENDITION_FORMATS } from '../images/image-pipeline.js';
import { HistoryAnswer, ProblemAnswer, ReceiptAnswer, RestoreBody, VersionAnswer } from './avatars.dto.js';

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
    },
  },
};
const PENDING =
  'The bucket is away: this replica does it as soon as it is back, and shows it as done already';
const problem = { 'application/problem+json': { schema: { $ref: getSchemaPath(ProblemAnswer) } } };

/** What every call may answer. */
export function DescribeProblems() {
  return applyDecorators(
    ApiExtraModels(ProblemAnswer),
    ApiDefaultResponse({
      content: problem,
      description: 'What went wrong, with a `code` that stays the same',
    }),
  );
}

export function DescribeUpload(summary: string) {
  return applyDecorators(
    DescribePrecondition(),
    ApiHeader({ name: 'If-None-Match', required: false, description: '*: only if there is no picture' }),
    ApiOperation({
      summary,
      requestBody: { required: true, content: { 'multipart/form-data': form, 'image/*': binary } },
    }),
    ApiCreatedResponse({ type: VersionAnswer, description: 'A new version, which is current' }),
    ApiOkResponse({
      type: VersionAnswer,
      description: 'The current version was made from the same bytes already',
    }),
    ApiAcceptedResponse({ type: VersionAnswer, description: PENDING }),
  );
}

export function DescribeHistory() {
  return applyDecorators(
    ApiBearerAuth(),
    ApiOperation({ summary: 'The history: every version that is kept, and which one is current' }),
    ApiOkResponse({ type: HistoryAnswer }),
  );
}

export function DescribeRestore() {
  return applyDecorators(
    DescribePrecondition(),
    ApiOperation({ summary: 'Make a version of the history current' }),
    ApiBody({ type: RestoreBody }),
    ApiOkResponse({ type: VersionAnswer }),
    ApiAcceptedResponse({ type: VersionAnswer, description: PENDING }),
    ApiResponse({ status: 404, content: problem, description: 'The history has no such version' }),
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
    ApiNoContentResponse({ description: 'Deleted' }),
    ApiOkResponse({ type: ReceiptAnswer, description: 'Erased' }),
    ApiAcceptedResponse({ type: ReceiptAnswer, description: PENDING }),
  );
}

export function DescribePicture(summary: string) {
  const content = Object.fromEntries(RENDITION_FORMATS.map((format) => [`image/${format}`, binary]));
  return applyDecorators(
    ApiOperation({ summary }),
    ApiOkResponse({ content, description: 'The picture' }),
    ApiResponse({ status: 304, description: 'The client has it already' }),
    DescribeMissing(),
  );
}

export function DescribeMissing() {
  return ApiResponse({ status: 404, content: problem, description: 'There is no picture' });
}

function DescribePrecondition() {
  return applyDecorators(
    ApiBearerAuth(),
    ApiHeader({
      name: 'If-Match',
      required: false,
      description: 'The version that has to be current, in quotes, or * for any',
    }),
    ApiResponse({
      status: 412,
      content: problem,
      description: 'What is current is not what If-Match or If-None-Match asks',
    }),
  );
}
