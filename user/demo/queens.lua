-- SPDX-License-Identifier: MIT
-- Eight queens, all solutions, the first one drawn.  lua /demo/queens.lua [SIZE]
local size = tonumber(arg and arg[1]) or 8
local known = { 1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680 }

local column, up, down, row_of = {}, {}, {}, {}
local solutions, first = 0, nil

local function place(row)
	if row > size then
		solutions = solutions + 1
		first = first or { table.unpack(row_of) }
		return
	end
	for c = 1, size do
		local u, d = row + c, row - c
		if not (column[c] or up[u] or down[d]) then
			column[c], up[u], down[d], row_of[row] = true, true, true, c
			place(row + 1)
			column[c], up[u], down[d] = nil, nil, nil
		end
	end
end

place(1)
for row = 1, first and size or 0 do
	print(("  " .. (". "):rep(first[row] - 1) .. "Q " .. (". "):rep(size - first[row])))
end
print(("queens: %d solutions"):format(solutions))
local good = known[size] == nil or known[size] == solutions
print(good and "OK" or "FAILED: expected " .. known[size])
os.exit(good)
