<?php
function greet(string $name): string
{
    return 'hello from ' . mb_strtolower($name);
}
