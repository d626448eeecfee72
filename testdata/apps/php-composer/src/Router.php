<?php

declare(strict_types=1);

namespace Acme\Site;

use Acme\Greeting\Greeter;

final class Router
{
    /** @return array{int, array<string, string>} */
    public function handle(string $path): array
    {
        return match ($path) {
            '/' => [200, ['message' => (new Greeter())->greet('Composer')]],
            '/health' => [200, ['status' => 'up']],
            default => [404, ['error' => "no page $path"]],
        };
    }
}
