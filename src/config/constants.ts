/**
 * What follows from how Visage works rather than from where it runs, so that nobody has to set it: see
 * `Settings` for what an operator does. Times are in ms, memory and pictures in bytes.
 */
export class Constants {
  /** How long a write on a disk may wait for other writers of the same object: as long as for a bucket. */
  storageLocalLockTimeoutMs = 10_000;

  /**
   * How often a call to a bucket is tried within STORAGE_S3_TIMEOUT_MS: a lost connection and one server that
   * is slow are no outage. With more, each would have too little time for a picture.
   */
  storageS3Attempts = 3;

  /**
   * How many calls to a bucket may wait in each line: at the 10 ms that most take, 0.2 s of work. Waiting
   * longer than two deadlines ends a call anyway; this keeps lines from filling the memory before that.
   */
  storageS3Queue = 1000;

  /** How many calls in a row have to fail to reach the bucket before all fail at once. */
  storageS3BreakerFailures = 5;

  /** How long until one of them tries the bucket again. */
  storageS3BreakerResetMs = 5000;

  /** No more changes wait once the oldest has for this long: after a week an outage is a matter of people. */
  outboxMaxAgeMs = 7 * 86_400_000;

  /** How often changes that wait are tried again. The circuit keeps most of these tries from the bucket. */
  outboxReplayIntervalMs = 2000;

  /**
   * How long an avatar's changes may fail while the bucket works for others. An hour is enough for somebody
   * to mend it, and the outbox does not fill meanwhile.
   */
  outboxSetAsideAfterMs = 3_600_000;

  /** At the usual 10 to 30 frames a second, 17 to 50 s: nobody looks at an avatar for longer. */
  avatarMaxFrames = 500;

  /** Most masters are far smaller. What has no `size` in its URL is this picture, for each of its readers. */
  avatarMasterMaxBytes = 10 * 1024 * 1024;

  /**
   * px. Libravatar's own limit (https://wiki.libravatar.org/api/). Any size up to it can be asked for, by
   * anybody, and is made for the one who asks.
   */
  gravatarMaxSize = 512;

  /** How long a change may wait for others of its avatar: a client is still there after that. */
  avatarCommitTimeoutMs = 10_000;

  /**
   * How many credentials, and how many addresses, have their uploads counted: some 2 MB. Above it, those that
   * uploaded longest ago start anew.
   */
  uploadCounters = 10_000;

  /** How often the keys of the identity provider are fetched: a withdrawn one still counts for so long. */
  jwksRefreshMs = 600_000;

  /**
   * How long between two fetches of them at least, also if one has failed: tokens of strangers may name a key
   * that there never was.
   */
  jwksCooldownMs = 30_000;

  /** How old they may get while the provider is away: most tokens from before have run out then. */
  jwksMaxAgeMs = 3_600_000;

  /** How long a fetch of them may take. A token with a key that is not known yet waits for it. */
  jwksTimeoutMs = 5000;

  /** How many pictures may wait for their turn in each line: for as long as a client waits, too. */
  imageQueue = 256;

  /** How many renditions may wait to be made before anybody asks. Those left out are made for who asks. */
  imageBackgroundQueue = 256;

  /** How many avatars all lookups read from the storage at once: half of the calls that a bucket gets. */
  lookupConcurrency = 32;

  /**
   * How many avatars all batches of addresses change at once. Each makes up to 8 calls at a time, in the line
   * of all changes.
   */
  aliasConcurrency = 8;

  /** After how long a batch of addresses begins no further avatar: proxies wait for a minute. */
  aliasBatchTimeoutMs = 30_000;

  /** px. 1000 tiles of 128 px, or 200 of 256. Making a sheet takes some 20 bytes of memory for each px. */
  sheetMaxPixels = 4096 * 4096;

  /** How long this replica may not see that another registered a hash, which strangers ask for at random. */
  cacheUnknownHashMs = 60_000;

  /**
   * Seconds for which a purged CDN may show its copy while it asks whether that is still right: a reader does
   * not wait for the way to this service. A purge takes the copy away all the same.
   */
  cacheControlStaleWhileRevalidate = 600;

  /** How long a purge may take. The answer to an erasure waits for it. */
  cdnTimeoutMs = 5000;

  /** How often a purge is tried. With waits that double up to five minutes, this is about an hour. */
  cdnAttempts = 20;

  /** How many purges a CDN gets at once: their own limits are a few to a few dozen a second. */
  cdnConcurrency = 4;

  /** How many avatars may wait for a purge. Above it, purging everything once is faster. */
  cdnQueue = 10_000;

  /** How long a client may take for the headers of a request. */
  requestHeadersTimeoutMs = 10_000;

  /** How long a client may take next to nothing of an answer, such as a phone in a tunnel. */
  answerTimeoutMs = 60_000;

  /** Memory for answers that clients have not taken yet. A picture that many take counts once. */
  answerBytes = 128 * 1024 * 1024;

  /** Open connections. An idle one takes some 8 KiB. */
  maxConnections = 10_000;

  /** How old the health of the storage in readiness may be: as many probes as there are, one look at it. */
  healthMaxAgeMs = 5000;

  /** How long readiness waits for the storage: less than probes wait for it, 2 s in our own files. */
  healthTimeoutMs = 1500;
}
