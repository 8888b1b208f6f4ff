<?php

namespace MemberIntel\Entity;

use MemberIntel\Child;
use MemberIntel\Entity;
use MemberIntel\Span;
use MemberIntel\Value;

/**
 * What MemberPress keeps as a post with meta. It is read by SQL: MemberPress filters WP_Query during REST requests, and
 * would answer that there is nothing.
 */
abstract class Post extends Entity
{
    private const COLUMNS = ['ID', 'post_title', 'post_name', 'post_status', 'post_date_gmt', 'post_modified_gmt'];

    abstract protected function type(): string;

    /**
     * Meta keys that are told. One that ends in % stands for all that begin so.
     *
     * @return string[]
     */
    abstract protected function keys(): array;

    /**
     * @param array<string, ?string> $post
     * @param array<string, ?string> $meta
     * @return array<string, mixed>
     */
    abstract protected function row(array $post, array $meta): array;

    public function table(): string
    {
        return $this->db->core('posts');
    }

    public function key(): string
    {
        return 'ID';
    }

    public function filter(): string
    {
        return "b.post_type = '{$this->type()}' AND b.post_status <> 'auto-draft'";
    }

    public function rows(array $ids): array
    {
        $meta = [];
        $found = $this->db->rows("SELECT k.post_id, k.meta_key, k.meta_value FROM {$this->db->core('postmeta')} k
            WHERE {$this->told()} AND " . Span::ids($ids)->over('k.post_id') . ' ORDER BY k.meta_id DESC');
        foreach ($found as $row) {
            $meta[(int) $row['post_id']][$row['meta_key']] = $row['meta_value'];
        }
        $rows = [];
        foreach ($this->stored(self::COLUMNS, $ids) as $id => $post) {
            $rows[$id] = $this->row($post, $meta[$id] ?? []);
        }
        return $rows;
    }

    protected function parts(): array
    {
        return $this->covered(array_map('strtolower', self::COLUMNS));
    }

    protected function children(): array
    {
        return [new Child($this->db->core('postmeta'), 'post_id', ['meta_key', 'meta_value'], $this->told())];
    }

    /**
     * What every one of them has.
     *
     * @param array<string, ?string> $post
     * @return array<string, mixed>
     */
    protected function head(array $post, bool $slug): array
    {
        $head = ['id' => (int) $post['ID'], 'title' => $post['post_title']];
        if ($slug) {
            $head['slug'] = $post['post_name'];
        }
        return $head + [
            'status' => $post['post_status'],
            'created_at' => Value::time($post['post_date_gmt']),
            'modified_at' => Value::time($post['post_modified_gmt']),
        ];
    }

    /** The condition, over k, for the meta that is told. */
    private function told(): string
    {
        $either = [];
        foreach ($this->keys() as $key) {
            $either[] = substr($key, -1) === '%'
                ? $this->db->prepare('k.meta_key LIKE %s', str_replace('_', '\\_', substr($key, 0, -1)) . '%')
                : $this->db->prepare('k.meta_key = %s', $key);
        }
        return '(' . implode(' OR ', $either) . ')';
    }
}
