"""Building blocks that several entries share. An entry imports these, never another entry."""
