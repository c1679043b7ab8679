-- SPDX-License-Identifier: MIT
-- Writes a text of megabytes into a RAM file, reads it back line by line, counts its words, and compares with what is known.
local NAME = "/tmp/text"
local LINES, WORDS = 50000, 12

-- What the generator below gives, computed elsewhere.
local KNOWN = { bytes = 3937548, words = 600000, top = "entry3", top_count = 3913, checksum = 746318929 }

local stems = { "page", "frame", "table", "fault", "swap", "slab", "buddy", "zone", "node", "cache", "pool", "token", "leaf", "root",
	"entry", "window" }

local function generate()
	local f = assert(io.open(NAME, "w"))
	local state = 12345
	for _ = 1, LINES do
		local line = {}
		for w = 1, WORDS do
			state = (state * 1103515245 + 12345) % 2147483648
			local r = state // 65536
			line[w] = stems[r % 16 + 1] .. (r // 16 % 10)
		end
		f:write(table.concat(line, " "), "\n")
	end
	assert(f:close())
end

local function count()
	local counts, words, bytes, checksum = {}, 0, 0, 0
	for line in io.lines(NAME) do
		bytes = bytes + #line + 1
		for word in line:gmatch("%S+") do
			counts[word] = (counts[word] or 0) + 1
			words = words + 1
		end
		checksum = (checksum * 31 + line:byte(1) + line:byte(-1)) % 1000000007
	end
	return counts, words, bytes, checksum
end

local function most(counts)
	local list = {}
	for word, n in pairs(counts) do
		list[#list + 1] = { word = word, n = n }
	end
	table.sort(list, function(a, b) return a.n > b.n or (a.n == b.n and a.word < b.word) end)
	return list
end

local good, why = pcall(function()
	os.execute("mkdir -p /tmp")
	generate()
	local counts, words, bytes, checksum = count()
	local list = most(counts)
	print(("%d bytes, %d words, %d different"):format(bytes, words, #list))
	for i = 1, 5 do
		print(("%8d %s"):format(list[i].n, list[i].word))
	end
	assert(bytes == KNOWN.bytes, "wrong number of bytes")
	assert(words == KNOWN.words, "wrong number of words")
	assert(list[1].word == KNOWN.top and list[1].n == KNOWN.top_count, "wrong most frequent word")
	assert(checksum == KNOWN.checksum, ("wrong checksum %d"):format(checksum))
	assert(os.remove(NAME))
end)
print(good and "OK" or "FAILED: " .. tostring(why))
os.exit(good)
