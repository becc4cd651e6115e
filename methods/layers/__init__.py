"""Building blocks that methods share. A method imports these, never another method."""
