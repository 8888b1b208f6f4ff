<?php

namespace MemberIntel;

/** All kinds of rows that the protocol knows, and which of them this site has. */
final class Entities
{
    /** @var array<string, Entity> by name, in the order in which they are told */
    private array $all = [];

    public function __construct(Database $db, MemberPress $memberpress)
    {
        $kinds = [Entity\Members::class, Entity\Transactions::class, Entity\Subscriptions::class, Entity\Products::class,
            Entity\Rules::class, Entity\Coupons::class, Entity\Groups::class, Entity\Orders::class, Entity\Events::class,
            Entity\CorporateAccounts::class];
        foreach ($kinds as $kind) {
            $entity = new $kind($db, $memberpress);
            $this->all[$entity->name()] = $entity;
        }
    }

    /** @return array<string, Entity> */
    public function available(): array
    {
        return array_filter($this->all, static function (Entity $entity): bool {
            return $entity->available();
        });
    }

    /**
     * Those of the names that this site has, null for all that it has.
     *
     * @param string[]|null $names
     * @return array<string, Entity>
     */
    public function chosen(?array $names): array
    {
        $available = $this->available();
        return $names === null ? $available : array_intersect_key($available, array_flip($names));
    }

    /** @throws Problem */
    public function get(string $name): Entity
    {
        $available = $this->available();
        if (!isset($available[$name])) {
            $data = ['entity' => $name, 'entities' => array_keys($available)];
            throw new Problem('mi_entity_unsupported', "This site has no $name.", $data);
        }
        return $available[$name];
    }

    /** Null for a code of a later version, or of a table that is gone. */
    public function byCode(int $code): ?Entity
    {
        foreach ($this->available() as $entity) {
            if ($entity->code() === $code) {
                return $entity;
            }
        }
        return null;
    }

    /**
     * The kinds that are posts: a write to wp_posts says only which post.
     *
     * @return Entity[]
     */
    public function posts(): array
    {
        return array_filter($this->all, static function (Entity $entity): bool {
            return $entity instanceof Entity\Post;
        });
    }
}
