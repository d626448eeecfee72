# build: node npm
# run: nginx
FROM build AS builder
USER root
WORKDIR /app
COPY package*.json ./
RUN npm ci
COPY . .
RUN npm run build
FROM run
COPY --from=builder /app/build/site /usr/share/nginx/html
CMD ["nginx", "-g", "daemon off;"]
