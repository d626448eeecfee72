<?php
if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
    http_response_code(405);
    exit('send a form');
}
header('Content-Type: application/json');
echo json_encode(['fields' => $_POST, 'path' => $_SERVER['PATH_INFO'] ?? '']);
