<?php

/**
 * Refuses what PHP 7.4, the oldest that the plugin promises to run on, cannot parse or does not know. The parser is that
 * of the package php-parser, which PHPUnit brings. Arguments: files.
 */

require_once 'PhpParser/autoload.php';

use PhpParser\Error;
use PhpParser\Lexer\Emulative;
use PhpParser\Node;
use PhpParser\NodeTraverser;
use PhpParser\NodeVisitorAbstract;
use PhpParser\ParserFactory;

$visitor = new class extends NodeVisitorAbstract {
    /** Younger functions that WordPress 6.2 does not bring along for older PHP. */
    private const FUNCTIONS = ['array_find', 'array_any', 'array_all', 'json_validate', 'mb_str_pad', 'fsync', 'get_debug_type',
        'get_resource_id', 'preg_last_error_msg', 'enum_exists', 'mb_trim', 'mb_ucfirst', 'memory_reset_peak_usage'];

    /** @var string[] */
    public array $found = [];

    /** @var array<string, bool> functions that are asked for by function_exists before they are called */
    private array $asked = [];

    public function enterNode(Node $node)
    {
        $kind = $this->young($node);
        if ($kind !== '') {
            $this->found[] = "line {$node->getStartLine()}: $kind";
        }
        return null;
    }

    private function young(Node $node): string
    {
        if ($node instanceof Node\FunctionLike && $this->isYoungType($node->getReturnType())) {
            return 'a type that is younger than PHP 7.4';
        }
        if ($node instanceof Node\Param && ($node->flags !== 0 || $this->isYoungType($node->type))) {
            return $node->flags !== 0 ? 'a promoted property' : 'a type that is younger than PHP 7.4';
        }
        if ($node instanceof Node\Stmt\Property && $this->isYoungType($node->type)) {
            return 'a type that is younger than PHP 7.4';
        }
        if ($node instanceof Node\Expr\FuncCall && $node->name instanceof Node\Name) {
            return $this->youngCall($node->name->toLowerString(), $node);
        }
        $names = [
            Node\Expr\Match_::class => 'match',
            Node\Expr\NullsafePropertyFetch::class => '?->',
            Node\Expr\NullsafeMethodCall::class => '?->',
            Node\Expr\Throw_::class => 'throw as an expression',
            Node\AttributeGroup::class => 'an attribute',
            Node\Stmt\Enum_::class => 'an enum',
            Node\VariadicPlaceholder::class => 'a first-class callable',
        ];
        if ($node instanceof Node\Arg && $node->name !== null) {
            return 'a named argument';
        }
        if ($node instanceof Node\Stmt\Catch_ && $node->var === null) {
            return 'catch without a variable';
        }
        return $names[get_class($node)] ?? '';
    }

    private function youngCall(string $name, Node\Expr\FuncCall $call): string
    {
        if ($name === 'function_exists' && ($call->args[0]->value ?? null) instanceof Node\Scalar\String_) {
            $this->asked[$call->args[0]->value->value] = true;
        }
        return in_array($name, self::FUNCTIONS, true) && !isset($this->asked[$name]) ? "$name()" : '';
    }

    private function isYoungType(?Node $type): bool
    {
        if ($type instanceof Node\UnionType || $type instanceof Node\IntersectionType) {
            return true;
        }
        $name = $type instanceof Node\NullableType ? $type->type : $type;
        return ($name instanceof Node\Identifier || $name instanceof Node\Name)
            && in_array(strtolower($name->toString()), ['static', 'mixed', 'never', 'false', 'null', 'true'], true);
    }
};

$parser = (new ParserFactory())->create(ParserFactory::ONLY_PHP7, new Emulative(['phpVersion' => '7.4']));
$wrong = 0;
foreach (array_slice($argv, 1) as $file) {
    $visitor->found = [];
    try {
        $walk = new NodeTraverser();
        $walk->addVisitor($visitor);
        $walk->traverse($parser->parse((string) file_get_contents($file)) ?? []);
    } catch (Error $error) {
        $visitor->found[] = $error->getMessage();
    }
    foreach ($visitor->found as $what) {
        fwrite(STDERR, "$file: $what\n");
        $wrong++;
    }
}
exit($wrong > 0 ? 1 : 0);
