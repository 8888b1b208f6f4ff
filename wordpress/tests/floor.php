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

const ONCE_WRITTEN = Node\Stmt\Class_::MODIFIER_READONLY;

$visitor = new class extends NodeVisitorAbstract {
    /** Younger functions that WordPress 6.2 does not bring along for older PHP. */
    private const FUNCTIONS = ['array_all', 'array_any', 'array_find', 'array_find_key', 'array_first', 'array_is_list',
        'array_last', 'curl_upkeep', 'enum_exists', 'fdatasync', 'fdiv', 'fpow', 'fsync', 'get_debug_type', 'get_error_handler',
        'get_resource_id', 'http_get_last_response_headers', 'ini_parse_quantity', 'json_validate', 'mb_lcfirst', 'mb_ltrim',
        'mb_rtrim', 'mb_str_pad', 'mb_trim', 'mb_ucfirst', 'memory_reset_peak_usage', 'mysqli_execute_query',
        'preg_last_error_msg', 'request_parse_body', 'str_decrement', 'str_increment', 'stream_context_set_options'];

    private const CLASSES = ['attribute', 'curlhandle', 'fiber', 'phptoken', 'sensitiveparameter', 'stringable',
        'unhandledmatcherror', 'valueerror', 'weakmap'];

    /** @var string[] */
    public array $found = [];

    /** @var array<int, mixed> of the file that is read */
    public array $tokens = [];

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
        if ($node instanceof Node\FunctionLike && $this->endsWithComma($node->getParams())) {
            return 'a comma after the last parameter';
        }
        if ($node instanceof Node\Expr\Closure && $this->endsWithComma($node->uses)) {
            return 'a comma after the last variable of use';
        }
        if (($node instanceof Node\Param || $node instanceof Node\Stmt\StaticVar) && $node->default instanceof Node\Expr\New_) {
            return 'new in an initial value';
        }
        if (($node instanceof Node\Stmt\Property || $node instanceof Node\Stmt\Class_) && ($node->flags & ONCE_WRITTEN) !== 0) {
            return 'readonly';
        }
        if ($node instanceof Node\Stmt\ClassConst && $node->isFinal()) {
            return 'a final constant';
        }
        if ($node instanceof Node\Expr\ClassConstFetch && $node->class instanceof Node\Expr) {
            return '::class of an object';
        }
        if ($node instanceof Node\Scalar\LNumber && stripos((string) $node->getAttribute('rawValue'), '0o') === 0) {
            return 'a number with 0o';
        }
        if ($node instanceof Node\Name && in_array($node->toLowerString(), self::CLASSES, true)) {
            return "the class {$node->toString()}";
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

    /** @param Node[] $list */
    private function endsWithComma(array $list): bool
    {
        if ($list === []) {
            return false;
        }
        for ($at = end($list)->getEndTokenPos() + 1; is_array($this->tokens[$at] ?? null); $at++) {
            if (!in_array($this->tokens[$at][0], [T_WHITESPACE, T_COMMENT, T_DOC_COMMENT], true)) {
                return false;
            }
        }
        return ($this->tokens[$at] ?? '') === ',';
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

$lexer = new Emulative(['phpVersion' => '7.4', 'usedAttributes' => ['startLine', 'endTokenPos']]);
$parser = (new ParserFactory())->create(ParserFactory::ONLY_PHP7, $lexer);
$wrong = 0;
foreach (array_slice($argv, 1) as $file) {
    $visitor->found = [];
    try {
        $walk = new NodeTraverser();
        $walk->addVisitor($visitor);
        $nodes = $parser->parse((string) file_get_contents($file)) ?? [];
        $visitor->tokens = $lexer->getTokens();
        $walk->traverse($nodes);
    } catch (Error $error) {
        $visitor->found[] = $error->getMessage();
    }
    foreach ($visitor->found as $what) {
        fwrite(STDERR, "$file: $what\n");
        $wrong++;
    }
}
exit($wrong > 0 ? 1 : 0);
