import { applyDecorators } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiDefaultResponse,
  ApiExtraModels,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiResponse,
  getSchemaPath,
} from '@nestjs/swagger';
import { RENDITION_FORMATS } from '../images/image-pipeline.js';
import { ProblemAnswer, VersionAnswer } from './avatars.dto.js';

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
  );
}

export function DescribeDelete() {
  return applyDecorators(
    DescribePrecondition(),
    ApiOperation({ summary: 'No current picture any more; one that is absent already counts as deleted' }),
    ApiNoContentResponse(),
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
