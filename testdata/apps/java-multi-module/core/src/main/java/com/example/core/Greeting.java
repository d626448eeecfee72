package com.example.core;

import org.apache.commons.lang3.StringUtils;

public final class Greeting {
	private Greeting() {}

	public static String text(String from) {
		return StringUtils.joinWith(" ", "hello", "from", from);
	}
}
