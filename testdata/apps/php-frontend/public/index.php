<?php
$assets = json_decode(file_get_contents(__DIR__ . '/build/manifest.json'), true, flags: JSON_THROW_ON_ERROR);
?>
<!doctype html>
<p>hello from php</p>
<script type="module" src="/build/<?= htmlspecialchars($assets['main.js']) ?>"></script>
