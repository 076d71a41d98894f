package packed

import "encoding/binary"

// codes are the packed codes of a matrix. Each kind knows where the code at (row, col) lies,
// for reading and for writing. Codes are read whole: none has more bits than it should.
type codes interface {
	// read writes what the codes of len(dst) columns of a row from col on mean to dst.
	read(dst []float32, m *meaning, row, col int)
	// at returns one code.
	at(row, col int) byte
	// put stores a code in place of zero bits.
	put(row, col int, code byte)
}

// octets are codes of one byte each, row after row.
type octets struct {
	data []byte
	cols int
}

func (c octets) read(dst []float32, m *meaning, row, col int) {
	from := row*c.cols + col
	for i, b := range c.data[from : from+len(dst)] {
		dst[i] = m.values[b]
	}
}

func (c octets) at(row, col int) byte        { return c.data[row*c.cols+col] }
func (c octets) put(row, col int, code byte) { c.data[row*c.cols+col] = code }

// nibbles are codes of four bits of the flattened matrix, two in a byte.
type nibbles struct {
	data []byte
	cols int
	high bool // the even one is in the high bits
}

// shift returns by how many bits the code of a weight is shifted.
func (c nibbles) shift(flat int) int {
	if c.high {
		return 4 - flat&1*4
	}
	return flat & 1 * 4
}

func (c nibbles) at(row, col int) byte {
	flat := row*c.cols + col
	return c.data[flat/2] >> c.shift(flat) & 15
}

func (c nibbles) put(row, col int, code byte) {
	flat := row*c.cols + col
	c.data[flat/2] |= code << c.shift(flat)
}

func (c nibbles) read(dst []float32, m *meaning, row, col int) {
	flat := row*c.cols + col
	if len(dst) > 0 && flat&1 == 1 {
		dst[0] = m.values[c.data[flat/2]>>c.shift(flat)&15]
		dst, flat = dst[1:], flat+1
	}
	first, second := c.shift(0), c.shift(1)
	data := c.data[flat/2 : (flat+len(dst)+1)/2]
	for i, b := range data[:len(dst)/2] {
		dst[2*i], dst[2*i+1] = m.values[b>>first&15], m.values[b>>second&15]
	}
	if n := len(dst); n&1 == 1 {
		dst[n-1] = m.values[data[n/2]>>first&15]
	}
}

// stream are codes along the rows of a matrix, each row in words of 32 bits of its own, from
// the lowest bits up, without gaps: a code may begin in one word and end in the next.
type stream struct {
	data  []byte
	words int // of a row
	bits  int
	each  int // codes in a word where none crosses its end; 0 where they have no gaps
	// add is added to each word when it is read. Then no code crosses the end of a word.
	add uint32
}

// place returns where a code begins: the index of its byte, and the bits before it there.
func (c stream) place(row, col int) (at, shift int) {
	bit := col * c.bits
	if c.each != 0 {
		bit = col/c.each*32 + col%c.each*c.bits
	}
	return row*c.words*4 + bit/8, bit % 8
}

func (c stream) at(row, col int) byte {
	at, shift := c.place(row, col)
	if c.add != 0 {
		w := binary.LittleEndian.Uint32(c.data[at&^3:]) + c.add
		return byte(w>>(at&3*8+shift)) & (1<<c.bits - 1)
	}
	b := uint16(c.data[at]) >> shift
	if shift+c.bits > 8 {
		b |= uint16(c.data[at+1]) << (8 - shift)
	}
	return byte(b) & (1<<c.bits - 1)
}

func (c stream) put(row, col int, code byte) {
	at, shift := c.place(row, col)
	c.data[at] |= code << shift
	if shift+c.bits > 8 {
		c.data[at+1] |= code >> (8 - shift)
	}
}

func (c stream) read(dst []float32, m *meaning, row, col int) {
	if c.each != 0 {
		for i := range dst {
			dst[i] = m.values[c.at(row, col+i)]
		}
		return
	}
	data := c.data[4*row*c.words:][:4*c.words]
	readWords(dst, m, c.bits, col, func(i int) uint32 { return binary.LittleEndian.Uint32(data[4*i:]) })
}

// readWords writes what codes of so many bits mean to dst, from code number first on, which lie
// in words without gaps.
func readWords(dst []float32, m *meaning, bits, first int, word func(i int) uint32) {
	if len(dst) == 0 {
		return
	}
	i, begun := first*bits/32, first*bits%32
	ahead, have := uint64(word(i))>>begun, 32-begun // bits that are read
	mask := byte(1<<bits - 1)
	for j := range dst {
		if have < bits {
			i++
			ahead |= uint64(word(i)) << have
			have += 32
		}
		dst[j] = m.values[byte(ahead)&mask]
		ahead >>= bits
		have -= bits
	}
}

// columns are codes along the columns of a stored matrix of words of 32 bits: word i of row r
// of the weights is at [i, r]. They lie in the words as in those of a stream.
type columns struct {
	data []byte
	rows int
	bits int
	each int // as of a stream
}

// word returns a word.
func (c columns) word(i, row int) uint32 {
	return binary.LittleEndian.Uint32(c.data[4*(i*c.rows+row):])
}

// place returns where a code begins: the index of its word, and the bits before it there.
func (c columns) place(col int) (i, shift int) {
	if c.each != 0 {
		return col / c.each, col % c.each * c.bits
	}
	bit := col * c.bits
	return bit / 32, bit % 32
}

func (c columns) at(row, col int) byte {
	i, shift := c.place(col)
	w := c.word(i, row) >> shift
	if shift+c.bits > 32 {
		w |= c.word(i+1, row) << (32 - shift)
	}
	return byte(w) & (1<<c.bits - 1)
}

func (c columns) put(row, col int, code byte) {
	i, shift := c.place(col)
	c.or(i, row, uint32(code)<<shift)
	if shift+c.bits > 32 {
		c.or(i+1, row, uint32(code)>>(32-shift))
	}
}

func (c columns) or(i, row int, bits uint32) {
	at := c.data[4*(i*c.rows+row):]
	binary.LittleEndian.PutUint32(at, binary.LittleEndian.Uint32(at)|bits)
}

func (c columns) read(dst []float32, m *meaning, row, col int) {
	if c.each != 0 {
		for i := range dst {
			dst[i] = m.values[c.at(row, col+i)]
		}
		return
	}
	readWords(dst, m, c.bits, col, func(i int) uint32 { return c.word(i, row) })
}

// across are codes of four bits stored as [inputs, outputs], eight outputs in a word of 32
// bits, in the order of AWQ's kernel for matrices or in their own.
type across struct {
	data  []byte
	words int // of the outputs of one input
	order *[8]int
}

// awqOrder is the slot of each of eight outputs: the even ones come first.
var awqOrder = [8]int{0, 4, 1, 5, 2, 6, 3, 7}

func (c across) place(row, col int) (at, shift int) {
	bit := 4 * c.order[row%8]
	return 4*(col*c.words+row/8) + bit/8, bit % 8
}

func (c across) at(row, col int) byte {
	at, shift := c.place(row, col)
	return c.data[at] >> shift & 15
}

func (c across) put(row, col int, code byte) {
	at, shift := c.place(row, col)
	c.data[at] |= code << shift
}

func (c across) read(dst []float32, m *meaning, row, col int) {
	at, shift := c.place(row, col)
	for i := range dst {
		dst[i] = m.values[c.data[at+4*i*c.words]>>shift&15]
	}
}

// planes are codes of a matrix whose rows are cut into as many parts of equal height as
// codes go into a word: the parts lie on each other, each in bits of its own. The matrix of the
// planes is the flattened one of the weights in rows of another length.
type planes struct {
	data   []byte
	size   int // bytes of a word
	bits   int
	cols   int // of the weights
	width  int // of the planes
	height int // of a part
	top    int // the shift of the first part where the next ones go down, -1 where it is 0 and they go up
}

func (c planes) place(flat int) (at, shift int) {
	r := flat / c.width
	part := r / c.height
	shift = part * c.bits
	if c.top >= 0 {
		shift = c.top - shift
	}
	return ((r%c.height)*c.width+flat%c.width)*c.size + shift/8, shift % 8
}

func (c planes) get(flat int) byte {
	at, shift := c.place(flat)
	b := uint16(c.data[at]) >> shift
	if shift+c.bits > 8 {
		b |= uint16(c.data[at+1]) << (8 - shift)
	}
	return byte(b) & (1<<c.bits - 1)
}

func (c planes) at(row, col int) byte { return c.get(row*c.cols + col) }

func (c planes) put(row, col int, code byte) {
	at, shift := c.place(row*c.cols + col)
	c.data[at] |= code << shift
	if shift+c.bits > 8 {
		c.data[at+1] |= code >> (8 - shift)
	}
}

func (c planes) read(dst []float32, m *meaning, row, col int) {
	mask := byte(1<<c.bits - 1)
	for flat := row*c.cols + col; len(dst) > 0; {
		n := min(len(dst), c.width-flat%c.width)
		at, shift := c.place(flat)
		if shift+c.bits > 8 {
			for i := range dst[:n] {
				dst[i] = m.values[c.get(flat+i)]
			}
		} else {
			for i := range dst[:n] {
				dst[i] = m.values[c.data[at+i*c.size]>>shift&mask]
			}
		}
		dst, flat = dst[n:], flat+n
	}
}
