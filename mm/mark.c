// SPDX-License-Identifier: MIT
// frame_mark: what a pager may look at and change in the record of its frame. The state diagram of DIRTY and WRITEBACK:
// frame.c.
#include <lib/base/trace.h>
#include <mm/frame.h>

static void page_stat(const struct page *page, u64 out[4])
{
	out[0] = page->state | (u64)page->marks << FRAME_WORD_MARKS | (u64)page->pager << FRAME_WORD_PAGER |
		 (u64)page->place << FRAME_WORD_PLACE;
	out[1] = page->mapcount | (u64)page_pins(page) << 32;
	out[2] = page->word0;
	out[3] = page->word1;
}

static err_t mark_flags(struct page *page, u64 set, u64 clear)
{
	const u64 may = 0xfful << FRAME_WORD_PAGER | (u64)PAGE_YOUNG << FRAME_WORD_MARKS;
	if ((set | clear) & ~may)
		return -ERR_INVAL;
	page->pager = (page->pager & ~(clear >> FRAME_WORD_PAGER)) | set >> FRAME_WORD_PAGER;
	page->marks = (page->marks & ~(clear >> FRAME_WORD_MARKS & PAGE_YOUNG)) |
		      (set >> FRAME_WORD_MARKS & PAGE_YOUNG);
	return 0;
}

static err_t mark_begin(struct page *page, const struct pool *pool, const u64 *places, u64 n)
{
	if (page->marks & PAGE_WRITEBACK)
		return -ERR_BUSY;
	err_t err = page_write_protect(page, pool, places, n);
	if (err)
		return err;
	page->marks = (page->marks & ~PAGE_DIRTY) | PAGE_WRITEBACK;
	return 0;
}

static err_t mark_end(struct page *page, bool failed)
{
	if (!(page->marks & PAGE_WRITEBACK))
		return -ERR_INVAL;
	page->marks &= ~PAGE_WRITEBACK;
	if (failed)
		page->marks |= PAGE_DIRTY;
	return 0;
}

static err_t mark_words(struct page *page, u64 word0, u64 word1)
{
	if (page->state == PAGE_EVICTING) // word0 is the token
		return -ERR_BUSY;
	page->word0 = word0;
	page->word1 = word1;
	return 0;
}

// An EVICTING frame is in the swap cache by definition; a rescue or a free ends that.
static err_t mark_swapcache_clear(struct page *page)
{
	if (page->state == PAGE_EVICTING)
		return -ERR_BUSY;
	page_uncache(page);
	return 0;
}

static err_t mark_age(struct page *page, u64 *places, u64 n, u64 out[4])
{
	if (n > EVICT_PLACES)
		return -ERR_INVAL;
	u64 kept = page_age(page, places, n);
	page_stat(page, out);
	out[3] = kept;
	page->marks &= ~PAGE_YOUNG;
	return 0;
}

err_t frame_mark(struct pool *pool, frame_t frame, u64 op, u64 a, u64 b, u64 *places, u64 n, u64 out[4])
{
	struct page *page = frame_lookup(pool, frame);
	if (!page)
		return -ERR_STALE;
	if (op == MARK_AGE)
		return mark_age(page, places, n, out);
	err_t err = 0;
	switch (op) {
	case MARK_STAT:
		break;
	case MARK_WORDS:
		err = mark_words(page, a, b);
		break;
	case MARK_FLAGS:
		err = mark_flags(page, a, b);
		break;
	case MARK_BEGIN:
		err = mark_begin(page, pool, places, n);
		break;
	case MARK_END:
	case MARK_FAIL:
		err = mark_end(page, op == MARK_FAIL);
		break;
	case MARK_SWAPCACHE_CLEAR:
		err = mark_swapcache_clear(page);
		break;
	default:
		err = -ERR_INVAL;
	}
	if (!err && op != MARK_STAT)
		trace(EVENT_MARK, frame, op, page->marks);
	page_stat(page, out);
	return err;
}
