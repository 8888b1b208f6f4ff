<?php

namespace MemberIntel\Tests;

/** An administrator's browser, or anybody else's: cookies, forms, and redirects that can be looked at. */
final class Browser
{
    private string $url;

    /** @var array<string, string> */
    private array $cookies = [];
    public int $status = 0;
    public string $location = '';
    public string $html = '';

    public function __construct(string $login = 'admin', string $password = 'admin-pass')
    {
        $this->url = (string) getenv('MEMBERINTEL_TEST_URL');
        if ($login !== '') {
            $this->get('/wp-login.php');
            $this->post('/wp-login.php', ['log' => $login, 'pwd' => $password, 'wp-submit' => 'Log In', 'testcookie' => '1']);
        }
    }

    public function get(string $path): self
    {
        return $this->ask('GET', $path, []);
    }

    /** @param array<string, string> $fields */
    public function post(string $path, array $fields): self
    {
        return $this->ask('POST', $path, $fields);
    }

    public function screen(): self
    {
        return $this->get('/wp-admin/admin.php?page=memberintel');
    }

    /** Sends the form of an action as it stands on the page. @param array<string, string> $fields */
    public function press(string $action, array $fields = []): self
    {
        if (!preg_match("/value=\"memberintel_$action\".*?<\\/form>/s", $this->html, $form)) {
            throw new \RuntimeException("no form for $action");
        }
        preg_match('/name="_wpnonce" value="([^"]+)"/', $form[0], $nonce);
        return $this->post('/wp-admin/admin-post.php', $fields + ['action' => "memberintel_$action", '_wpnonce' => $nonce[1]]);
    }

    /** Goes where the last answer sent it, if that is on this site. */
    public function follow(): self
    {
        return $this->get(substr($this->location, strlen($this->url)));
    }

    /** @param array<string, string> $fields */
    private function ask(string $method, string $path, array $fields): self
    {
        $this->location = '';
        $handle = curl_init($this->url . $path);
        $cookies = [];
        foreach ($this->cookies as $name => $value) {
            $cookies[] = "$name=$value";
        }
        curl_setopt_array($handle, [
            CURLOPT_CUSTOMREQUEST => $method,
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_TIMEOUT => 60,
            CURLOPT_COOKIE => implode('; ', $cookies),
            CURLOPT_HEADERFUNCTION => function ($_, string $line): int {
                if (preg_match('/^Set-Cookie:\s*([^=]+)=([^;]*)/i', $line, $is)) {
                    $this->cookies[$is[1]] = $is[2];
                }
                if (preg_match('/^Location:\s*(.*?)\s*$/i', $line, $is)) {
                    $this->location = $is[1];
                }
                return strlen($line);
            },
        ]);
        if ($method === 'POST') {
            curl_setopt($handle, CURLOPT_POSTFIELDS, http_build_query($fields));
        }
        $this->html = (string) curl_exec($handle);
        $this->status = (int) curl_getinfo($handle, CURLINFO_RESPONSE_CODE);
        return $this;
    }
}
