#!/usr/bin/env bash
# Tells what it was given, sorted, and ends.
names=("pear" "apple" "fig")
printf '%s\n' "${names[@]}" | sort | sed 's/^/hello from a /'
