package packed
