// SPDX-License-Identifier: MIT
// Entry by PVH: 32 bits, paging off, ebx the physical address of the start info. The number of levels must be known
// before paging is on: five where the processor has them, unless the command line says mode=la48 (boot.c tells what
// cannot be).

#define PHYSICAL(symbol) ((symbol) - 0xffffffff80000000)
#define CMDLINE          24 // offset in the start info
#define CR0_ON           0x80010033 // PG WP NE ET MP PE
#define CR4_ON           0x000000a0 // PGE PAE
#define CR4_LA57         0x00001000
#define MSR_EFER         0xc0000080
#define EFER_ON          0x00000900 // NXE LME
#define CPUID_NEEDED     0x24100800 // of 0x80000001 edx: long mode, 1 GiB leaves, NX, SYSCALL

	.section .note.pvh, "a", @note
	.balign	4
	.long	4, 4, 18		// XEN_ELFNOTE_PHYS32_ENTRY
	.asciz	"Xen"
	.long	PHYSICAL(_start)

	.section .text.head, "ax"
	.code32
	.global	_start
_start:
	cld
	rdtsc
	mov	%eax, %esi		// esi, edi: cycle counter at entry
	mov	%edx, %edi
	mov	%ebx, %ebp

	mov	$0x80000001, %eax
	cpuid
	and	$CPUID_NEEDED, %edx
	cmp	$CPUID_NEEDED, %edx
	jne	unfit

	mov	$7, %eax
	xor	%ecx, %ecx
	cpuid
	mov	$CR4_ON, %eax
	mov	$PHYSICAL(boot_root), %edx
	bt	$16, %ecx		// LA57
	jnc	paging
	mov	CMDLINE(%ebp), %ecx
	test	%ecx, %ecx
	jz	five
1:	cmpb	$0, (%ecx)
	je	five
	cmpl	$0x65646f6d, (%ecx)	// "mode"
	jne	2f
	cmpl	$0x34616c3d, 4(%ecx)	// "=la4"
	je	paging
2:	inc	%ecx
	jmp	1b
five:
	or	$CR4_LA57, %eax
	add	$4096, %edx

paging:
	mov	%eax, %cr4
	mov	%edx, %cr3
	mov	$MSR_EFER, %ecx
	rdmsr
	or	$EFER_ON, %eax
	wrmsr
	mov	$CR0_ON, %eax
	mov	%eax, %cr0
	lgdt	PHYSICAL(boot_gdt_register)
	ljmp	$8, $PHYSICAL(long_mode)

	// "jjok: this CPU lacks ..." would need more than there is here: the serial port, by hand.
unfit:
	mov	$PHYSICAL(unfit_text), %esi
	mov	$0x3f8, %edx
1:	lodsb
	test	%al, %al
	jz	2f
	outb	%al, %dx
	jmp	1b
2:	mov	$1, %al
	outb	%al, $0xe9
	mov	$0x2a, %eax
	outl	%eax, $0xf4
3:	hlt
	jmp	3b

	.code64
long_mode:
	mov	$higher_half, %rax
	jmp	*%rax
higher_half:
	mov	%esi, %esi
	mov	%edi, %edi
	shl	$32, %rdi
	or	%rdi, %rsi
	mov	%rsi, %rdx
	mov	$image_bss_start, %rdi
	mov	$image_bss_end, %rcx
	sub	%rdi, %rcx
	xor	%eax, %eax
	rep stosb
	mov	$image_stack_top, %rsp
	mov	%ebp, %edi
	mov	%rdx, %rsi
	xor	%ebp, %ebp
	call	arch_boot		// does not return

	.section .rodata.head, "a"
	.balign	8
boot_gdt:
	.quad	0, 0x00af9b000000ffff
boot_gdt_register:
	.word	15
	.long	PHYSICAL(boot_gdt)
unfit_text:
	.asciz	"jjok: this CPU lacks long mode, 1 GiB leaves, NX or SYSCALL\r\n"
