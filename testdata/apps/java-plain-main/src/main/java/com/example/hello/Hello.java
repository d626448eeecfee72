package com.example.hello;

import com.google.gson.Gson;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Map;

public class Hello {
	public static void main(String[] args) throws IOException {
		int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "8080"));
		String greeting;
		try (var in = Hello.class.getResourceAsStream("/greeting.txt")) {
			greeting = new String(in.readAllBytes(), StandardCharsets.UTF_8).strip();
		}
		byte[] answer = new Gson().toJson(Map.of("greeting", greeting)).getBytes(StandardCharsets.UTF_8);
		HttpServer server = HttpServer.create(new InetSocketAddress(port), 0);
		server.createContext("/", exchange -> {
			exchange.sendResponseHeaders(200, answer.length);
			exchange.getResponseBody().write(answer);
			exchange.close();
		});
		server.start();
	}
}
