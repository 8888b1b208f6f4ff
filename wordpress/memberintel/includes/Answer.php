<?php

namespace MemberIntel;

use WP_REST_Response;

/**
 * An answer whose body is sent as it is, byte for byte, because it is signed. WordPress would encode it anew.
 *
 * The body's first field is `protocol`, and the signature comes again as a last line, so that a reader finds both ends even
 * where something prints around it or takes the headers away.
 */
final class Answer extends WP_REST_Response
{
    private const HEADERS = [
        'Content-Type' => 'application/json; charset=UTF-8',
        'Cache-Control' => 'no-store, no-cache, must-revalidate, max-age=0, private',
        'CDN-Cache-Control' => 'no-store',
        'Surrogate-Control' => 'no-store',
        'X-LiteSpeed-Cache-Control' => 'no-cache',
        'X-Accel-Expires' => '0',
        'X-MemberIntel-Protocol' => '1',
    ];

    private string $text;

    /** Without a caller the answer is not signed: nobody has proved who asks. */
    public function __construct(string $body, int $status, string $requestId, ?Caller $caller)
    {
        parent::__construct(null, $status, self::HEADERS);
        $this->header('X-MemberIntel-Request-Id', $requestId);
        if ($caller !== null) {
            $signature = $caller->sign($status, $body);
            $this->header('X-MemberIntel-Response-Signature', $signature);
            $body .= "\n" . Value::json(['mi_signature' => $signature]);
        }
        $this->text = $body;
    }

    /** The whole body with its trailer. */
    public function text(): string
    {
        return $this->text;
    }

    /** Sends the body, smaller where the client and PHP are willing; whatever was printed before is thrown away. */
    public function send(): void
    {
        while (ob_get_level() > 0 && @ob_end_clean()) {
            continue;
        }
        $text = $this->text;
        $accepts = isset($_SERVER['HTTP_ACCEPT_ENCODING']) ? (string) wp_unslash($_SERVER['HTTP_ACCEPT_ENCODING']) : '';
        if (!headers_sent() && !ini_get('zlib.output_compression')) {
            if (strlen($text) > 1024 && strpos($accepts, 'gzip') !== false && function_exists('gzencode')) {
                $text = (string) gzencode($text, 5);
                header('Content-Encoding: gzip');
                header('Vary: Accept-Encoding');
            }
            header('Content-Length: ' . strlen($text));
        }
        echo $text; // phpcs:ignore WordPress.Security.EscapeOutput -- JSON that is signed as it is.
    }
}
