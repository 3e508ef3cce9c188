import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Contractions, negateQuestion } from './negation.ts';

function negate(question: string, contractions: Contractions = 'natural'): string {
  const found = negateQuestion(question, contractions);
  return 'refused' in found ? `refused: ${found.refused}` : found.question;
}

function ruleOf(question: string): string {
  const found = negateQuestion(question);
  return 'refused' in found ? found.refused : found.rule;
}

describe('the negated clause', () => {
  it.each([
    // Contracted before a subject.
    ['what did the lady do after the boy crawled', "what didn't the lady do after the boy crawled"],
    ['What does the man hold in his hand?', "What doesn't the man hold in his hand?"],
    ['what are the two men doing', "what aren't the two men doing"],
    ['where is the cat?', "where isn't the cat?"],
    ['Where did she put it', "Where didn't she put it"],
    ['What will the person do next?', "What won't the person do next?"],
    ['What can be seen through the window?', 'What cannot be seen through the window?'],
    ['What could the boy reach?', "What couldn't the boy reach?"],
    ['which direction did the baby push the toy', "which direction didn't the baby push the toy"],
    ['In which direction is the car moving?', "In which direction isn't the car moving?"],
    ['which side of the phone did the person show', "which side of the phone didn't the person show"],
    ['Which object was the person holding?', "Which object wasn't the person holding?"],
    ['what activity is the child doing', "what activity isn't the child doing"],
    ['What has the man eaten?', "What hasn't the man eaten?"],
    ['Whose hand is the baby holding?', "Whose hand isn't the baby holding?"],
    [
      'What is the person able to do after opening the door?',
      "What isn't the person able to do after opening the door?",
    ],
    // The question word is the subject.
    [
      'Which of the following will happen if the cube is removed?',
      'Which of the following will not happen if the cube is removed?',
    ],
    ['What will happen without the cyan cube?', 'What will not happen without the cyan cube?'],
    [
      'If the cube is removed, which event will happen?',
      'If the cube is removed, which event will not happen?',
    ],
    ['Which object was put down by the person?', 'Which object was not put down by the person?'],
    ['Which of the following is true?', 'Which of the following is not true?'],
    ['who is standing behind the man', 'who is not standing behind the man'],
    ['what is happening in the video', 'what is not happening in the video'],
    [
      'Which of these statements about the man in the red shirt is correct?',
      'Which of these statements about the man in the red shirt is not correct?',
    ],
    ['Which object has been moved?', 'Which object has not been moved?'],
    ['What would have fallen without the wall?', 'What would not have fallen without the wall?'],
    // Do-support.
    ['who opened the door', 'who did not open the door'],
    ['Who took the cup after she left?', 'Who did not take the cup after she left?'],
    ['what happened after the lady fell', 'what did not happen after the lady fell'],
    ['What happens to the ball?', 'What does not happen to the ball?'],
    ['what made the boy cry', 'what did not make the boy cry'],
    ['What is responsible for the collision?', 'What is not responsible for the collision?'],
    ['Which object moved first?', 'Which object did not move first?'],
    [
      'Which of these correctly matches the actions in the video?',
      'Which of these does not correctly match the actions in the video?',
    ],
    ['Which option best describes the scene?', 'Which option does not best describe the scene?'],
    ['what causes the sphere to hit the cube', 'what does not cause the sphere to hit the cube'],
    [
      'Which factor most significantly influences the output?',
      'Which factor does not most significantly influence the output?',
    ],
    // In the plural.
    [
      'Which of the following objects enter the scene?',
      'Which of the following objects do not enter the scene?',
    ],
    ['Which of these balls do not collide with the cube?', 'Which of these balls collide with the cube?'],
    ["Which of these balls don't collide?", 'Which of these balls collide?'],
    [
      'Which of the following objects leave before the cube does?',
      'Which of the following objects do not leave before the cube does?',
    ],
    [
      'Which of the following objects are last seen on the left?',
      'Which of the following objects are not last seen on the left?',
    ],
    [
      'Which of these balls hit by the boy are visible?',
      'Which of these balls hit by the boy are not visible?',
    ],
    // Times.
    ['Which of these objects move at some time?', 'Which of these objects never move?'],
    ['Which objects are at some time behind the cube?', 'Which objects are never behind the cube?'],
    ['Which object never moved in the video?', 'Which object moved at some time in the video?'],
    ["What's the trigger of the war?", "What isn't the trigger of the war?"],
    ["who's standing there", 'who is not standing there'],
    // Already negative.
    [
      'Which of the following will not happen if the cube is removed?',
      'Which of the following will happen if the cube is removed?',
    ],
    ["What doesn't the man do?", 'What does the man do?'],
    ['Which event cannot happen?', 'Which event can happen?'],
  ])('%s', (question, negated) => {
    expect(negate(question)).toBe(negated);
  });
});

describe('the negated answer, where "not" would deny the event', () => {
  it.each([
    ['why did the boy laugh', 'why did the boy laugh? which of these are not reasons'],
    ["Why's she crying?", 'Why is she crying? Which of these are not reasons?'],
    ['Why is she crying?', 'Why is she crying? Which of these are not reasons?'],
    ['why the cup toppled', 'why the cup toppled? which of these are not reasons'],
    ['why did the dog not move', 'why did the dog not move? which of these are not reasons'],
    ['For what reason did he leave?', 'For what reason did he leave? Which of these are not reasons?'],
    [
      'After he fell, why did she laugh?',
      'After he fell, why did she laugh? Which of these are not reasons?',
    ],
    ['how did the man open it', "in which of these ways didn't the man open it"],
    [
      'How does the baby react when it falls?',
      "In which of these ways doesn't the baby react when it falls?",
    ],
    ['how were the candles blown out', "in which of these ways weren't the candles blown out"],
    ['how can the two babies move forward', "in which of these ways can't the two babies move forward"],
    [
      'how did the baby react when the dog did not come',
      "in which of these ways didn't the baby react when the dog did not come",
    ],
    ['how does the boy feel while playing', "how doesn't the boy feel while playing"],
  ])('%s', (question, negated) => {
    expect(negate(question)).toBe(negated);
  });
});

describe('refusal', () => {
  it.each([
    ['did the boy fall', 'yes_no_question'],
    ["isn't it red?", 'yes_no_question'],
    ['The man is', 'no_question_word'],
    ['', 'no_question_word'],
    ['Describe the video.', 'no_question_word'],
    ['What did he do? And why?', 'several_sentences'],
    ['What did he do? Choose one.', 'several_sentences'],
    ['what ddi the performers do', 'relative_clause'],
    ['which direction the man is moving', 'relative_clause'],
    ['how happpened to the boy', 'no_auxiliary'],
    ['where the ball', 'no_question_word'],
    ['Which of these boys never hold nothing?', 'double_negation'],
    ['What did the boy do at some time?', 'polarity_word'],
    ['Which boys have never moved?', 'double_negation'],
    ['Which of these boys do not hold nothing?', 'double_negation'],
    ['Which of these boys hold the cup too?', 'polarity_word'],
    ['where exactly the ball', 'no_question_word'],
    ['who qwertied the door', 'unknown_verb'],
    ['who did it', 'ambiguous_verb'],
    ['which box has a lid', 'ambiguous_verb'],
    ['which left hand moved the cup', 'ambiguous_verb'],
    ['what did the man never do', 'double_negation'],
    ['what did the man not do', 'double_negation'],
    ['how did the car not hit the tape', 'double_negation'],
    ['how did the girl ensure she does not fall', 'double_negation'],
    ['what did the man do until the dog came', 'polarity_word'],
    ['Who opened the door until she left?', 'polarity_word'],
    ['Which of these balls move until the video ends?', 'polarity_word'],
    ['Which of these balls never move until the end?', 'polarity_word'],
    ['what is the man still doing', 'polarity_word'],
    ['what else did the man do', 'polarity_word'],
    ['what did both of them do', 'quantified_subject'],
    ['what did a man do', 'quantified_subject'],
    ['what did someone do', 'quantified_subject'],
    ['what may the dog eat', 'modal_scope'],
    ['which must happen', 'modal_scope'],
    ['What might be the cause?', 'modal_scope'],
    ['Which of these is incorrect?', 'double_negation'],
    ['Which drug is shown, and what does it do?', 'several_sentences'],
    ["who's been there", 'ambiguous_verb'],
    ["What's moved?", 'ambiguous_verb'],
    ['how many people are in the video', 'how_measure'],
    ['how is the weather', 'how_state'],
    ['how did the dog know that it is free', 'how_known'],
    ['how can you tell that it is cold', 'how_known'],
  ])('%s: %s', (question, reason) => {
    expect(negate(question)).toBe(`refused: ${reason}`);
  });
});

describe('contractions', () => {
  it.each([
    ['always', 'Which event will happen?', "Which event won't happen?"],
    ['always', 'who opened it', "who didn't open it"],
    ['never', 'what did the lady do after it', 'what did the lady not do after it'],
    ['never', 'what did he take', 'what did he not take'],
    ['never', 'what is the man in red doing', 'what is the man in red not doing'],
    ['never', 'what did the lady take', 'refused: subject_end_unknown'],
    ['never', 'what is the dancing man doing', 'refused: subject_end_unknown'],
    ['never', 'Which event will happen?', 'Which event will not happen?'],
    ['never', 'how did she react', 'in which of these ways did she not react'],
    ['natural', 'what am i doing', 'what am i not doing'],
  ] as const)('%s: %s', (contractions, question, negated) => {
    expect(negate(question, contractions)).toBe(negated);
  });
});

describe('form', () => {
  it('keeps spacing, letter case, apostrophes, and closing marks', () => {
    expect(negate("  What  did Anna's dog do ??  ")).toBe("  What  didn't Anna's dog do ??  ");
    expect(negate('WHAT WILL HAPPEN')).toBe('WHAT WILL not HAPPEN');
    expect(negate('Why did he run ?')).toBe('Why did he run? Which of these are not reasons ?');
    expect(negate('what doesn’t the man do')).toBe('what does the man do');
  });

  it('takes the last sentence of several', () => {
    expect(negate('A man enters. What does he do?')).toBe("A man enters. What doesn't he do?");
    expect(negate('Note: in the video, what does he do?')).toBe("Note: in the video, what doesn't he do?");
  });

  it('names its rules', () => {
    expect(ruleOf('what did he do')).toBe('do-contracted');
    expect(ruleOf('what is he doing')).toBe('be-contracted');
    expect(ruleOf('which will happen')).toBe('modal-not');
    expect(ruleOf('who opened it')).toBe('do-support');
    expect(ruleOf('why did he go')).toBe('why-frame');
    expect(ruleOf('how did he go')).toBe('how-ways');
    expect(ruleOf('which will not happen')).toBe('remove-not');
  });

  it('of any text: a changed question, or a reason', () => {
    const words = fc.constantFrom(
      ...'what which who where when why how did does is are was will can not never the a man dog doing do happen happened opened after when that , ? . until both it in of these balls at some time'.split(
        ' ',
      ),
    );
    const text = fc.oneof(
      fc.array(words, { maxLength: 14 }).map((all) => all.join(' ')),
      fc.string({ unit: 'binary', maxLength: 200 }),
    );
    fc.assert(
      fc.property(text, fc.constantFrom('natural', 'always', 'never'), (question, contractions) => {
        const found = negateQuestion(question, contractions as Contractions);
        if ('refused' in found) return;
        expect(found.question).not.toBe(question);
        // Some negation came or went.
        const negations = (part: string): number =>
          part.match(/\bnot\b|n['’]t\b|\bcannot\b|\bnever\b/gi)?.length ?? 0;
        expect(Math.abs(negations(found.question) - negations(question))).toBe(1);
      }),
      { numRuns: 5000 },
    );
  });
});
