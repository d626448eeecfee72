package com.example

import com.sun.net.httpserver.HttpServer
import java.net.InetSocketAddress

fun main() {
    val port = System.getenv("PORT")?.toInt() ?: 8080
    val server = HttpServer.create(InetSocketAddress(port), 0)
    server.createContext("/") { exchange ->
        val answer = "hello from kotlin ${KotlinVersion.CURRENT.major}".toByteArray()
        exchange.sendResponseHeaders(200, answer.size.toLong())
        exchange.responseBody.use { it.write(answer) }
    }
    server.start()
}
