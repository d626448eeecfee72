<?php
require __DIR__ . '/lib/greet.php';

$name = $_GET['name'] ?? 'php';
?>
<!doctype html>
<link rel="stylesheet" href="/css/site.css">
<p><?= htmlspecialchars(greet($name)) ?></p>
<p><?= PHP_SAPI ?></p>
