# Pictures on an NVIDIA GPU. The host needs the driver and the NVIDIA container toolkit; CUDA's libraries come with libtorch.
#   docker build -f docker/cuda.Dockerfile -t wuerstchen-cuda docker
#   docker run --rm --gpus all -v "$PWD:/out" wuerstchen-cuda generate "a red circle on a blue background" -o /out/circle.png
FROM node:22-slim
ARG VERSION=latest
ARG RUNTIME=cu130
ENV WUERSTCHEN_CACHE=/opt/wuerstchen HF_HOME=/models
# What the toolkit puts into the container.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
WORKDIR /app
# npm brings libtorch for the CPU along: removed in the same layer, because the one in WUERSTCHEN_CACHE is used.
RUN npm init -y >/dev/null \
 && npm install --ignore-scripts --no-audit --no-fund "wuerstchen@$VERSION" \
 && rm -rf node_modules/@wuerstchen/libtorch-* \
 && npm cache clean --force \
 && npx wuerstchen runtime install "$RUNTIME"
VOLUME /models
RUN mkdir -p /models && chown node /models
USER node
ENTRYPOINT ["/app/node_modules/.bin/wuerstchen"]
CMD ["doctor"]
