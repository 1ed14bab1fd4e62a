ARG NODE_IMAGE=node:24-trixie-slim

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# No install scripts: every native part comes prebuilt, and a package's script is the easiest way to be attacked by it.
RUN npm ci --ignore-scripts --no-audit --no-fund

FROM dependencies AS build
COPY . .
RUN npm run build

# From the stage above, because npm's cache is still there: nothing is downloaded twice, and no cache mount is needed,
# which builders without BuildKit refuse.
FROM dependencies AS production-dependencies
# typescript is here only as an optional peer of @nestjs/swagger, for its build-time plugin.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund --prefer-offline \
 && rm -rf node_modules/typescript node_modules/.bin/tsc node_modules/.bin/tsserver \
 && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete \
 && find node_modules -path '*/prebuilds/*' -prune -type d ! -name 'linux-*' -exec rm -rf {} +

FROM ${NODE_IMAGE}
# - MALLOC_ARENA_MAX: glibc otherwise keeps an arena of freed pixels for each of libvips' threads.
# - MALLOC_MMAP_THRESHOLD_: glibc's own default, which it otherwise raises to 32 MiB as it goes, and then keeps what pictures were decoded in.
# - UV_THREADPOOL_SIZE: pictures being decoded would otherwise take all of Node's four threads from the file system and DNS.
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=131072 \
    UV_THREADPOOL_SIZE=8
WORKDIR /app
# A new volume on /data takes its owner from here. `./data` and `./outbox` are where the service keeps things unless told otherwise; an ENV
# instead would beat CONFIG_FILE and the other names of the setting.
RUN install -d -o node -g node /data /data/storage /data/outbox && ln -s /data/storage data && ln -s /data/outbox outbox
COPY --from=production-dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY package.json ./
RUN ln -s /app/dist/cli/main.js /usr/local/bin/visage

ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Visage" \
      org.opencontainers.image.description="An avatar microservice" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# The user `node`, as a number: Kubernetes' runAsNonRoot cannot judge a name.
USER 1000:1000
VOLUME /data
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || process.env.REVENGE_PORT || 3000}/health/live`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/main.js"]
