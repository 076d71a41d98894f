// The value of the codebook IQ4 that is nearest to each v, as iq4Code finds it: by
// bisection where vectors can be looked up in tables, and one by one elsewhere.
#ifdef LOOKUP

TARGET static inline FN(vf) FN(iq4_value)(FN(vf) v) {
    const FN(vi) a = v >= IQ4_MIDDLES[7];
    const FN(vi) middle = ((FN(vi))(IQ4_MIDDLES[11] - (FN(vf)){0}) & a) |
                          ((FN(vi))(IQ4_MIDDLES[3] - (FN(vf)){0}) & ~a);
    const FN(vi) b = a + a + (v >= (FN(vf))middle);
    const FN(vi) c = b + b + (v >= LOOKUP(IQ4_QUARTERS, b));
    const FN(vi) d = c + c + (v >= LOOKUP(IQ4_EIGHTHS, c));
    return (FN(vf))(((FN(vi))LOOKUP(IQ4_UPPER, d) & a) | ((FN(vi))LOOKUP(IQ4_LOWER, d) & ~a));
}

#else

TARGET static inline FN(vf) FN(iq4_value)(FN(vf) v) {
    FN(vf) q = IQ4[0] - (FN(vf)){0};
    for (int k = 0; k < 15; k++)
        q += (FN(vf))((FN(vi))(v >= IQ4_MIDDLES[k]) & (FN(vi))(IQ4[k + 1] - IQ4[k] - (FN(vf)){0}));
    return q;
}

#endif
