ARG NODE_IMAGE=node:24-trixie-slim

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# No install scripts: all native parts come prebuilt, and a malicious package would attack through its scripts first.
RUN npm ci --ignore-scripts --no-audit --no-fund

FROM dependencies AS build
COPY . .
RUN npm run build

# Reuses npm's cache from the first stage, so nothing is downloaded twice. A cache mount would need BuildKit.
FROM dependencies AS production-dependencies
# typescript is only an optional peer of @nestjs/swagger, for its build-time plugin.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund --prefer-offline \
 && rm -rf node_modules/typescript node_modules/.bin/tsc node_modules/.bin/tsserver \
 && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \) -delete \
 && find node_modules -path '*/prebuilds/*' -prune -type d ! -name 'linux-*' -exec rm -rf {} +

FROM ${NODE_IMAGE}
# - MALLOC_ARENA_MAX: glibc otherwise keeps an arena of freed pixels for each of libvips' threads.
# - MALLOC_MMAP_THRESHOLD_: glibc's own default. It otherwise raises it to 32 MiB over time, and then keeps the memory of decoded pictures.
# - UV_THREADPOOL_SIZE: decoding would otherwise take all of Node's four threads from the file system and DNS.
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=131072 \
    UV_THREADPOOL_SIZE=8
WORKDIR /app
# A new volume on /data takes its owner from here. The links lead the default folders `./data` and `./outbox` there; an ENV would override
# CONFIG_FILE and the other names of the settings.
RUN install -d -o node -g node /data /data/storage /data/outbox && ln -s /data/storage data && ln -s /data/outbox outbox
COPY --from=production-dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/web/dist ./web/dist
COPY package.json ./
RUN ln -s /app/dist/cli/main.js /usr/local/bin/visage

ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Visage" \
      org.opencontainers.image.description="An avatar microservice" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# The user `node`, as a number because Kubernetes' runAsNonRoot can't check a name.
USER 1000:1000
VOLUME /data
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || process.env.REVENGE_PORT || 3000}/health/live`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/main.js"]
