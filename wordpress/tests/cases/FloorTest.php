<?php

namespace MemberIntel\Tests;

use PHPUnit\Framework\TestCase;

/** The check of the syntax of PHP 7.4 knows what is younger, which no parser of this PHP would tell. */
final class FloorTest extends TestCase
{
    private const OLD = <<<'PHP'
        final class A { private ?int $n = 1_000; public function f(int ...$n): ?self { return f(1, 2,); } }
        $f = fn (array $a) => [...$a, static::class, A::class]; $f ??= function () use ($f) { throw new \Error('x'); };
        if (function_exists('json_validate')) { json_validate('{}'); }
        PHP;

    private const YOUNG = [
        'function f(int $a,) {}', '$f = function () use ($a,) {};', 'function f(int|string $a) {}', 'function f(): static {}',
        'function f(mixed $a) {}', 'class A { public function __construct(private int $a) {} }', '$a?->b;', '$a?->b();',
        '$a = $b ?? throw new Error();', '$a = match (1) { 1 => 2 };', 'try {} catch (Error) {}', 'f(name: 1);', '$a::class;',
        'enum A {}', 'class A { public readonly int $a; }', 'readonly class A {}', 'function f($a = new A()) {}', '$f = f(...);',
        'class A { final const B = 1; }', 'function f(): never {}', 'function f(A&B $a) {}', '$a = 0o17;',
        'class A { const int B = 1; }', 'get_debug_type(1);', 'array_is_list([]);', 'new \WeakMap();', 'new ValueError();',
    ];

    public function testWhatIsYoungerThanTheFloorIsRefused(): void
    {
        $files = [];
        foreach (array_merge([self::OLD], self::YOUNG) as $code) {
            $files[] = $file = (string) tempnam(sys_get_temp_dir(), 'memberintel-floor');
            file_put_contents($file, "<?php\n$code\n");
        }
        $command = 'php ' . implode(' ', array_map('escapeshellarg', array_merge([__DIR__ . '/../floor.php'], $files))) . ' 2>&1';
        exec($command, $told, $status);
        array_map('unlink', $files);
        $told = implode("\n", $told);
        $this->assertSame(1, $status);
        $this->assertStringNotContainsString(array_shift($files), $told, 'what PHP 7.4 knows is refused');
        foreach ($files as $n => $file) {
            $this->assertStringContainsString($file, $told, self::YOUNG[$n]);
        }
    }
}
