<?php

declare(strict_types=1);

require dirname(__DIR__) . '/vendor/autoload.php';

[$status, $body] = (new Acme\Site\Router())->handle(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH));
http_response_code($status);
header('Content-Type: application/json');
echo json_encode($body);
