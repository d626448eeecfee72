// Stands for a bundler: writes the page to where Maven takes resources from.
const fs = require('node:fs')
const path = require('node:path')

const out = path.join(__dirname, '..', 'src', 'main', 'resources', 'public')
fs.mkdirSync(out, { recursive: true })
fs.writeFileSync(path.join(out, 'index.html'), '<!doctype html><title>site</title><p>' + ['hello', 'from', 'a', 'frontend'].join(' ') + '</p>\n')
