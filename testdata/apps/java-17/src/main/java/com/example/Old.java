package com.example;

import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;

public class Old {
	public static void main(String[] args) throws IOException {
		String port = System.getenv("PORT");
		HttpServer server = HttpServer.create(new InetSocketAddress(port == null ? 8080 : Integer.parseInt(port)), 0);
		server.createContext("/", exchange -> {
			byte[] answer = ("hello from Java " + System.getProperty("java.specification.version")).getBytes();
			exchange.sendResponseHeaders(200, answer.length);
			exchange.getResponseBody().write(answer);
			exchange.close();
		});
		server.start();
	}
}
