<?php

namespace MemberIntel;

/** The site's database did not do what was asked. What it said stands in the message, for the site's own log alone. */
final class Failure extends \RuntimeException
{
}
