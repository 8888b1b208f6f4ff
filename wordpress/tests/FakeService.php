<?php

namespace MemberIntel\Tests;

/** The service as the plugin meets it: a process of its own that answers as it is told and notes what it was asked. */
final class FakeService
{
    public string $url;
    private string $folder;

    /** @var resource */
    private $process;

    public function __construct()
    {
        $socket = stream_socket_server('tcp://127.0.0.1:0');
        $this->url = 'http://' . stream_socket_get_name($socket, false);
        fclose($socket);
        $this->folder = sys_get_temp_dir() . '/memberintel-service-' . bin2hex(random_bytes(4));
        mkdir($this->folder);
        $this->process = proc_open(
            ['php', '-S', substr($this->url, strlen('http://')), __DIR__ . '/service.php'],
            [['file', '/dev/null', 'r'], ['file', '/dev/null', 'w'], ['file', '/dev/null', 'w']],
            $pipes,
            null,
            ['FAKE_SERVICE_FOLDER' => $this->folder] + getenv()
        );
        for ($i = 0; $i < 100 && @file_get_contents($this->url . '/ready') !== 'ready'; $i++) {
            usleep(50000);
        }
    }

    /** @param array<string, mixed> $body */
    public function answer(int $status, array $body): void
    {
        file_put_contents($this->folder . '/answer', json_encode([$status, $body]));
    }

    /**
     * What came, once something has come or the time is over.
     *
     * @return array<int, array{path: string, headers: array<string, string>, body: string}>
     */
    public function asked(int $wait = 50): array
    {
        for ($i = 0; $i < $wait && !is_file($this->folder . '/asked'); $i++) {
            usleep(100000);
        }
        $lines = is_file($this->folder . '/asked') ? file($this->folder . '/asked') : [];
        return array_map(static function (string $line): array {
            return json_decode($line, true);
        }, $lines);
    }

    public function stop(): void
    {
        proc_terminate($this->process);
        proc_close($this->process);
        array_map('unlink', glob($this->folder . '/*') ?: []);
        rmdir($this->folder);
    }
}
