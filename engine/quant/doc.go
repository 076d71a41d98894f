// Package quant simulates the quantization of weights: each weight is replaced by
// the number that its code stands for.
//
// A [Level] names what is simulated. The b-bit levels are uniform over the whole
// tensor, computed in float32, round half to even:
//
//	symmetric   s = max|w| / (2^(b-1)-1);  q = clamp(round(w/s), ±(2^(b-1)-1));  w' = q*s
//	asymmetric  s = (max w - min w) / (2^b-1);  q = clamp(round(w/s - min w/s), 0, 2^b-1);  w' = q*s + min w
//
// A symmetric b-bit level has 2^b - 1 values (255, 63, 31, 15, 7, 3 at 8, 6, 5,
// 4, 3, 2 bits), not 2^b: the lowest code is never used. The asymmetric level
// keeps the minimum as a float and so, unlike schemes with an integer zero point,
// does not represent zero exactly. The fp16 level is a cast to float16.
//
// Whatever the level, the result is then rounded to the type the dequantized
// weights are stored in. A constant tensor stays as it is.
package quant
