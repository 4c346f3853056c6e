# Pictures on an NVIDIA GPU. The host needs the driver and the NVIDIA container toolkit; CUDA's libraries come with libtorch.
#   docker build -f docker/cuda.Dockerfile -t wuerstchen-cuda docker
#   docker run --rm --gpus all -v "$PWD:/out" wuerstchen-cuda generate "a red circle on a blue background" -o /out/circle.png
FROM python:3.11-slim AS wheels
RUN pip download --no-cache-dir torch==2.13.0 --only-binary=:all: -d /wheels

FROM node:22-slim
ARG VERSION=latest
ARG RUNTIME=cu130
ENV WUERSTCHEN_CACHE=/opt/wuerstchen HF_HOME=/models
# What the toolkit puts into the container.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /app
# npm brings libtorch for the CPU along: removed in the same layer, because the one in WUERSTCHEN_CACHE is used.
RUN --mount=from=wheels,source=/wheels,target=/wheels npm init -y >/dev/null \
 && npm install --ignore-scripts --no-audit --no-fund "wuerstchen@$VERSION" \
 && rm -rf node_modules/@wuerstchen/libtorch-* \
 && npm cache clean --force \
 && npx wuerstchen runtime install "$RUNTIME" --from /wheels
VOLUME /models
# Where deploy/ mounts volumes, which then belong to the same user.
RUN mkdir -p /models /var/cache/wuerstchen /var/lib/wuerstchen \
 && chown node /models /var/cache/wuerstchen /var/lib/wuerstchen
USER node
ENTRYPOINT ["/app/node_modules/.bin/wuerstchen"]
CMD ["doctor"]
