"""What opens the operators' pages where no OPERATOR_PASSWORD is set: a token, made once and kept in Redis.

Who reads Redis is an operator already; `./run.sh status` prints it.
"""

from __future__ import annotations

import secrets

from redis import Redis

TOKEN_KEY = "mrilu:operator-token"  # noqa: S105 - the key's name


def operator_token(redis: Redis) -> str:
    """Return the token, 32 hexadecimal digits; made at the first call, and anew when Redis was emptied."""
    redis.set(TOKEN_KEY, secrets.token_hex(16), nx=True)
    token = redis.get(TOKEN_KEY)
    return token.decode() if isinstance(token, bytes) else str(token)
