"""Several real ``forefetch serve`` on a real PostgreSQL: killed and frozen as it comes, and nothing is lost,
told twice in different words, or moved past its limits."""
