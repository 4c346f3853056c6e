# Pictures on the CPU: Node, the package, and nothing else.
#   docker build -f docker/cpu.Dockerfile -t wuerstchen docker
#   docker run --rm -v "$PWD:/out" wuerstchen generate "a red circle on a blue background" -o /out/circle.png
FROM node:22-slim
ARG VERSION=latest
# What is optional, such as "bullmq ioredis" for a queue.
ARG PACKAGES=""
WORKDIR /app
RUN npm init -y >/dev/null \
 && npm install --ignore-scripts --no-audit --no-fund "wuerstchen@$VERSION" $PACKAGES \
 && npm cache clean --force \
 && npx wuerstchen doctor
# Models of the hub, when one is pulled: mount a volume here to keep them.
ENV HF_HOME=/models
VOLUME /models
# Where deploy/ mounts volumes, which then belong to the same user.
RUN mkdir -p /models /var/cache/wuerstchen /var/lib/wuerstchen \
 && chown node /models /var/cache/wuerstchen /var/lib/wuerstchen
USER node
ENTRYPOINT ["/app/node_modules/.bin/wuerstchen"]
CMD ["doctor"]
