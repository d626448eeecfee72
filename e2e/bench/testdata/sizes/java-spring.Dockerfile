# build: jdk maven
# run: jre
FROM build AS builder
USER root
WORKDIR /app
COPY . .
RUN mvn -B -ntp -q -DskipTests package
FROM run
COPY --from=builder /app/target/*.jar /app.jar
CMD ["java", "-jar", "/app.jar"]
