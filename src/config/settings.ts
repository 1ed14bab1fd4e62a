import 'reflect-metadata';
import { availableParallelism, tmpdir } from 'node:os';
import {
  ArrayMaxSize,
  ArrayNotEmpty,
  IsIn,
  IsInt,
  IsNotEmpty,
  IsOptional,
  IsString,
  IsUrl,
  Matches,
  Max,
  Min,
} from 'class-validator';
import { RENDITION_SIZES, SOURCE_FORMATS, type SourceFormat } from '../model/formats.js';
import { PLACEHOLDER_KINDS, type PlaceholderKind } from '../model/placeholder-kinds.js';
import type { Rate } from '../model/quota.js';
import { Constants } from './constants.js';
import {
  IsApiKeys,
  IsFlag,
  IsInteger,
  IsList,
  IsLowerCase,
  IsProxies,
  IsRate,
  IsSecret,
  IsText,
  IsWebUrl,
  IsWholeUrl,
  WEB_URL,
} from './decorators.js';

/**
 * How long a call may wait for its turn at the bucket, as a multiple of its own deadline. By then the calls
 * before it that hang have ended, and have opened the circuit.
 */
export const S3_WAITING = 2;

/** How tokens may be signed, all of them with a private key (RFC 7518, RFC 8037, RFC 9864). */
const TOKEN_ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];

/** Where objects can be kept. `loadSettings` reports another name, and uses the local disk. */
export const STORAGE_BACKENDS = ['local', 's3'] as const;
export type StorageBackend = (typeof STORAGE_BACKENDS)[number];

/**
 * Every setting with its default, and the constants. `.env.example` explains the settings. A variable is the
 * property's name in upper case: `storageS3Bucket` is STORAGE_S3_BUCKET.
 */
export class Settings extends Constants {
  @IsIn(['development', 'test', 'production'])
  nodeEnv = 'development';

  @IsInteger(0, 65_535)
  port = 3000;

  @IsString()
  @IsNotEmpty()
  host = '127.0.0.1';

  @IsOptional()
  @IsInteger(0, 65_535)
  opsPort: number | undefined = undefined;

  @IsList()
  @IsProxies()
  trustProxy: string[] = [];

  @IsIn(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
  logLevel = 'info';

  @IsOptional()
  @IsString()
  configFile: string | undefined = undefined;

  @IsFlag()
  logAddresses = false;

  @IsList()
  @IsApiKeys()
  apiKeys: string[] = [];

  @IsList()
  @ArrayMaxSize(10)
  @IsSecret({ each: true })
  signingKeys: string[] = [];

  @IsOptional()
  @IsText()
  jwtIssuer: string | undefined = undefined;

  @IsOptional()
  @IsWholeUrl()
  jwtJwksUrl: string | undefined = undefined;

  @IsOptional()
  @IsString()
  jwtJwks: string | undefined = undefined;

  @IsList()
  @IsText({ each: true })
  jwtAudience: string[] = [];

  @IsList()
  @IsText({ each: true })
  jwtAuthorizedParties: string[] = [];

  @IsText()
  jwtIdClaim = 'sub';

  @IsOptional()
  @IsText()
  jwtTyp: string | undefined = undefined;

  @IsList()
  @ArrayNotEmpty()
  @IsIn(TOKEN_ALGORITHMS, { each: true })
  jwtAlgorithms: string[] = ['RS256', 'ES256', 'EdDSA'];

  @IsOptional()
  @IsRate()
  uploadsPerAvatar: Rate | undefined = undefined;

  @IsOptional()
  @IsRate()
  uploadsPerCredential: Rate | undefined = undefined;

  @IsOptional()
  @IsRate()
  uploadsPerAddress: Rate | undefined = undefined;

  @IsString()
  @IsLowerCase()
  storageBackend: StorageBackend = 'local';

  @IsFlag()
  storageRequireConditionalWrites = false;

  @IsString()
  @IsNotEmpty()
  storageLocalPath = './data';

  @IsOptional()
  @IsWebUrl()
  storageS3Endpoint: string | undefined = undefined;

  @IsOptional()
  @IsWebUrl()
  storageS3PublicEndpoint: string | undefined = undefined;

  @IsString()
  storageS3Region = 'us-east-1';

  @IsOptional()
  @Matches(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, { message: '$property must be the name of a bucket' })
  storageS3Bucket: string | undefined = undefined;

  @IsOptional()
  @IsString()
  storageS3AccessKeyId: string | undefined = undefined;

  @IsOptional()
  @IsString()
  storageS3SecretAccessKey: string | undefined = undefined;

  @IsFlag()
  storageS3UsePathStyle = false;

  @IsInteger(100)
  storageS3TimeoutMs = 10_000;

  @IsInteger(1)
  storageS3Concurrency = 64;

  @IsIn(['local', 'none'])
  storageFallback: 'local' | 'none' = 'local';

  @IsString()
  @IsNotEmpty()
  outboxPath = './outbox';

  @IsInteger(1)
  outboxMaxEntries = 10_000;

  @IsInteger(1)
  outboxMaxBytes = 1024 * 1024 * 1024;

  @IsIn(['service', 'public', 'presigned'])
  urlMode: 'service' | 'public' | 'presigned' = 'service';

  @IsOptional()
  @IsWebUrl()
  publicBaseUrl: string | undefined = undefined;

  @IsOptional()
  @IsWebUrl()
  serviceBaseUrl: string | undefined = undefined;

  /** S3 limits the life of a presigned URL to a week. Half of it has to be at least a second. */
  @IsInteger(2, 604_800)
  urlExpiresIn = 3600;

  @IsInteger(1)
  avatarMaxSizeBytes = 5 * 1024 * 1024;

  /** The service that Visage grew from had media types: `image/jpeg`. */
  @IsList((type) => type.replace(/^image\//, ''))
  @ArrayNotEmpty()
  @IsIn(SOURCE_FORMATS, { each: true })
  avatarAllowedTypes: SourceFormat[] = ['jpeg', 'png', 'webp', 'gif'];

  @IsInteger(1)
  avatarMaxPixels = 50_000_000;

  /** WebP allows 16383 px at most. */
  @IsInteger(16, 16_383)
  avatarMasterSize = 1024;

  @IsList(Number)
  @ArrayNotEmpty()
  @IsInt({ each: true })
  @Min(RENDITION_SIZES.min, { each: true })
  @Max(RENDITION_SIZES.max, { each: true })
  avatarSizes = [16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024];

  @IsList(Number)
  @IsInt({ each: true })
  @Min(0, { each: true })
  @Max(RENDITION_SIZES.max, { each: true })
  avatarWarmSizes = [64, 128, 256];

  /** `mm` is an older name of `mp` (https://docs.gravatar.com/api/avatars/images/). */
  @IsIn(['404', 'mm', ...PLACEHOLDER_KINDS])
  avatarDefault: '404' | 'mm' | PlaceholderKind = '404';

  @IsOptional()
  @IsSecret()
  aliasKey: string | undefined = undefined;

  @IsList()
  @IsUrl(
    { ...WEB_URL, disallow_auth: true, allow_query_components: false, allow_fragments: false },
    {
      each: true,
      message:
        '$property must be URLs that start with https:// or http://, without user, query, fragment, spaces and wildcards, comma separated',
    },
  )
  avatarDefaultUrls: string[] = [];

  @IsList()
  @Matches(/^https?:\/\/(?:\*\.)?[a-z0-9.-]+(?::\d{1,5})?$/i, {
    each: true,
    message:
      '$property must be origins such as https://app.example.com or https://*.example.com, comma separated',
  })
  editorFrameAncestors: string[] = [];

  @IsInteger(1, 1000)
  avatarHistory = 10;

  @IsInteger(0)
  avatarGraceMs = 86_400_000;

  @IsInteger(100)
  uploadTimeoutMs = 30_000;

  @IsInteger(1)
  uploadConcurrency = 256;

  @IsString()
  @IsNotEmpty()
  uploadSpoolPath = tmpdir();

  @IsInteger(1)
  imageConcurrency = availableParallelism();

  @IsInteger(1000)
  imageTimeoutMs = 20_000;

  @IsInteger(0)
  cacheBytes = 128 * 1024 * 1024;

  @IsInteger(0)
  cacheMaxAgeMs = 1000;

  @IsInteger(0)
  cacheMaxStaleMs = 3_600_000;

  @IsInteger(0)
  cacheControlMaxAge = 0;

  @IsInteger(0)
  cacheControlStaleIfError = 86_400;

  @IsIn(['none', 'http', 'cloudfront'])
  cdnPurge: 'none' | 'http' | 'cloudfront' = 'none';

  @IsInteger(0)
  cdnMaxAge = 3600;

  /** Fetch forbids CONNECT and TRACE. */
  @Matches(/^(?!CONNECT$|TRACE$|TRACK$)[A-Z]{1,20}$/, {
    message: '$property must be a method of HTTP, in upper case',
  })
  cdnHttpMethod = 'POST';

  @IsOptional()
  @IsString()
  cdnHttpUrl: string | undefined = undefined;

  @IsOptional()
  @IsString()
  cdnHttpHeaders: string | undefined = undefined;

  @IsOptional()
  @IsString()
  cdnHttpBody: string | undefined = undefined;

  @IsOptional()
  @Matches(/^[A-Z0-9]{1,64}$/, {
    message: '$property must be the id of a distribution, such as E2EXAMPLE1ABCD',
  })
  cdnCloudfrontDistributionId: string | undefined = undefined;

  @IsIn(['paths', 'tags'])
  cdnCloudfrontBy: 'paths' | 'tags' = 'paths';

  @IsInteger(0)
  shutdownDrainMs = 3000;

  @IsInteger(100)
  shutdownTimeoutMs = 25_000;
}

/** The properties of `Settings` that can be set. */
export const SETTINGS = Object.keys(new Settings()).filter((property) => !(property in new Constants()));

/** Names of properties in the service that Visage grew from, as variables. The name of our own wins. */
export const OLDER_NAMES: Readonly<Record<string, string>> = {
  storageLocalPath: 'AVATAR_STORAGE_PATH',
};

/** The variable that sets a property: `storageS3Bucket` is STORAGE_S3_BUCKET. */
export function variableOf(property: string): string {
  return property.replace(/[A-Z]/g, '_$&').toUpperCase();
}

/** Whether anybody may do everything, because there is nothing to tell callers by. */
export function isOpenToAll({ apiKeys, jwtIssuer }: Settings): boolean {
  return apiKeys.length === 0 && jwtIssuer === undefined;
}

/** Whether the log has what only developers want: each read, and the stack of each error. */
export function isLoggedInDetail({ logLevel }: Pick<Settings, 'logLevel'>): boolean {
  return logLevel === 'debug' || logLevel === 'trace';
}
