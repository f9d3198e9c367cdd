# syntax=docker/dockerfile:1
# TypeScript is run as it is; only the page is built.

# To build from the same bytes each time, give it with its digest: --build-arg NODE_IMAGE=node:26-trixie-slim@sha256:…
ARG NODE_IMAGE=node:26-trixie-slim

FROM ${NODE_IMAGE} AS base
WORKDIR /app
COPY package.json package-lock.json .npmrc LICENSE ./

FROM base AS tools
RUN --mount=type=cache,target=/root/.npm npm ci && mkdir -m 700 data && chown -R 1000:1000 .

# For docker-compose.yml: tests and tools inside, the source mounted over it, restarted when it changes.
FROM tools AS development
ENV NODE_ENV=development
COPY --chown=1000:1000 . .
USER 1000:1000
RUN node scripts/build-dashboard.ts
EXPOSE 3000
HEALTHCHECK --interval=5s --timeout=4s --start-period=30s --retries=6 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT||3000}/livez`).then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
CMD ["node", "--watch-path=src", "src/main.ts"]

FROM tools AS page
COPY tsconfig.json ./
COPY scripts ./scripts
COPY dashboard ./dashboard
RUN node scripts/build-dashboard.ts && node scripts/sbom.ts > sbom.cdx.json

FROM base AS dependencies
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev

FROM base AS production
# LOG=kafka: without brokers it does not start, unless LOG=embedded says that events may stay in the container's volume.
ENV NODE_ENV=production HOST=0.0.0.0 DATA_DIR=/app/data LOG=kafka
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=page /app/dist ./dist
# Which packages the image holds (CycloneDX).
COPY --from=page /app/sbom.cdx.json ./
COPY src ./src
RUN mkdir -m 700 data && chown 1000:1000 data
USER 1000:1000
VOLUME /app/data
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=4s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT||3000}/livez`).then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
CMD ["node", "src/main.ts"]
