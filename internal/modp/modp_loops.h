// The loops, compiled once for each instruction set. The file that includes this one
// defines FN(name), the name of a function for the set, and TARGET, the attributes
// that select it.

TARGET static void FN(reduce)(double *restrict x, size_t n) {
    for (size_t i = 0; i < n; i++)
        x[i] = reduce(x[i]);
}

TARGET static void FN(eliminate)(double *restrict a, size_t lda, size_t rows, size_t width,
                                 const double *restrict pivot, double inverse, double *restrict c,
                                 size_t ldc) {
    for (size_t i = 0; i < rows; i++) {
        double *restrict row = a + i * lda;
        double f = reduce(row[0] * inverse);
        c[i * ldc] = f;
        if (f != 0)
            for (size_t j = 0; j < width; j++)
                row[j] = reduce(row[j] - f * pivot[j]);
    }
}

#undef FN
#undef TARGET
