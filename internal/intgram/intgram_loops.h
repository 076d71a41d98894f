// Loops that the compiler vectorises, compiled once for each instruction set. The
// file that includes this one defines FN(name) and TARGET.
TARGET static void FN(add)(double *restrict row, const int32_t *restrict acc) {
    for (int j = 0; j < IG_NR; j++)
        row[j] += acc[j];
}

// Sums the squares of an int16 panel by column and derives its bounds. Two squares fit
// in int32, since 2 * 32767^2 < 2^31. The factor 1.0001 covers the rounding of the sums.
TARGET static void FN(survey16)(ig_facts *f, const int16_t *b, size_t blocks) {
    ig_bounds *n = &f->bounds;
    float column[IG_NR] = {0};
    size_t c = 0;
    for (size_t s = 0; c < blocks; s++) {
        float span[IG_NR] = {0};
        for (int x = 0; x < IG_SPAN && c < blocks; x++, c++) {
            float block[IG_NR] = {0}, most = 0;
            for (int g = 0; g < IG_GROUPS; g++, b += 2 * IG_NR)
                for (int j = 0; j < IG_NR; j++)
                    block[j] += (float)((int32_t)b[2 * j] * b[2 * j] +
                                        (int32_t)b[2 * j + 1] * b[2 * j + 1]);
            for (int j = 0; j < IG_NR; j++) {
                span[j] += block[j];
                most = block[j] > most ? block[j] : most;
            }
            n->block[c] = root(most * 1.0001f);
            n->top[c] = n->pair[c] = 0;
        }
        float most = 0;
        for (int j = 0; j < IG_NR; j++) {
            f->square[s][j] = span[j] * 1.0001f;
            column[j] += f->square[s][j];
            most = f->square[s][j] > most ? f->square[s][j] : most;
        }
        n->span[s] = root(most);
        n->top_span[s] = n->pair_span[s] = 0;
    }
    float most = 0;
    for (int j = 0; j < IG_NR; j++)
        most = column[j] > most ? column[j] : most;
    n->total = root(most * 1.0001f);
}

#undef FN
#undef TARGET
