<?php

namespace MemberPressFixture;

/** A product: the post first, its meta after save_post has fired. */
final class Product
{
    /** @param array<string, mixed> $meta without the prefix _mepr_product_ where it has it */
    public static function store(int $id, string $title, array $meta): int
    {
        $post = ['ID' => $id, 'post_title' => $title, 'post_type' => 'memberpressproduct', 'post_status' => 'publish'];
        $id = $id > 0 ? wp_update_post($post) : wp_insert_post($post);
        foreach ($meta as $key => $value) {
            update_post_meta($id, $key, $value);
        }
        return (int) $id;
    }
}
