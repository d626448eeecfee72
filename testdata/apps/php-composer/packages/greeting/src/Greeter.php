<?php

declare(strict_types=1);

namespace Acme\Greeting;

final class Greeter
{
    public function greet(string $whom): string
    {
        return 'hello from ' . mb_convert_case($whom, MB_CASE_LOWER);
    }
}
